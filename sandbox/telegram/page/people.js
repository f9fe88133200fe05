// Who uses the page, which of that person's chats is open, and what nobody has read yet.
import { $, button, el, roving } from "/page/dom.js";
import { t } from "/page/i18n.js";
import { face } from "/page/message.js";

const ROLES = { 7001: "owner", 7002: "guest", 9009: "stranger" };

export class People {
  /** `choose(user, chat)` opens a chat. */
  constructor(choose) {
    this.choose = choose;
    this.users = [];
    this.groups = [];
    this.bot = null;
    this.unread = new Map();
    roving($("users"));
    roving($("chats"));
  }

  update(state) {
    const shape = JSON.stringify([state.users, state.groups, state.bot]);
    const changed = shape !== this.shape;
    Object.assign(this, { users: state.users, groups: state.groups, bot: state.bot, shape });
    return changed;
  }

  groupOf(chat) {
    return this.groups.find((group) => group.id === chat);
  }

  of(user) {
    return this.groups.filter((group) => group.members.includes(user));
  }

  /** A message came into `chat`: everybody in it who does not look at it now has one more to read. */
  arrived(chat, author, seenBy) {
    const readers = this.groupOf(chat)?.members ?? [chat];
    for (const user of readers) if (user !== author && user !== seenBy) this.count(user, chat, 1);
  }

  count(user, chat, by) {
    const key = `${user}:${chat}`;
    this.unread.set(key, by ? (this.unread.get(key) ?? 0) + by : 0);
  }

  waiting(user, chat) {
    const chats = chat === undefined ? [user, ...this.of(user).map((group) => group.id)] : [chat];
    return chats.reduce((sum, one) => sum + (this.unread.get(`${user}:${one}`) ?? 0), 0);
  }

  draw(user, chat) {
    const focused = document.activeElement?.dataset;
    $("users").replaceChildren(...this.users.map((one) => {
      const about = t(ROLES[one.id] ?? "guest");
      const node = item(face(one.id, one.first_name), one.first_name, about, this.waiting(one.id), () => this.choose(one.id, one.id));
      node.dataset.user = one.id;
      return mark(node, one.id === user);
    }));
    const bot = el("img", "avatar");
    Object.assign(bot, { src: "/page/bot.svg", alt: "", width: 40, height: 40 });
    const chats = [[user, bot, this.bot.first_name, t("bot")], ...this.of(user).map((group) => [group.id, face(group.id, group.title), group.title, this.about(group)])];
    $("chats").replaceChildren(...chats.map(([id, picture, name, about]) => {
      const node = item(picture, name, about, this.waiting(user, id), () => this.choose(user, id));
      node.dataset.chat = id;
      return mark(node, id === chat);
    }));
    if (focused?.user) $("users").querySelector(`[data-user="${focused.user}"]`)?.focus();
    else if (focused?.chat) $("chats").querySelector(`[data-chat="${focused.chat}"]`)?.focus();
    const elsewhere = this.users.reduce((sum, one) => sum + this.waiting(one.id), 0);
    $("side-unread").textContent = elsewhere ? String(Math.min(elsewhere, 99)) : "";
  }

  about(group) {
    if (group.type === "channel") return t("channel");
    return group.left ? t("groupLeft") : t("group", { n: group.members.length });
  }
}

function item(picture, name, about, unread, onClick) {
  const node = button("user", onClick, picture, el("span", "", el("b", "", name), el("small", "", about)));
  if (unread) {
    const badge = el("span", "badge", String(Math.min(unread, 99)));
    badge.setAttribute("aria-label", t("unread", { n: unread }));
    node.append(badge);
  }
  node.setAttribute("role", "tab");
  return node;
}

function mark(node, on) {
  node.setAttribute("aria-selected", String(on));
  node.tabIndex = on ? 0 : -1;
  return node;
}
