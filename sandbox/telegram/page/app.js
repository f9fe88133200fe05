// The chat page: loads one person's chat, follows the live feed, sends what the person does.
import { MarketClock } from "/page/clock.js";
import { Composer } from "/page/composer.js";
import { $, button, el } from "/page/dom.js";
import { known, language, setLanguage, t, translate } from "/page/i18n.js";
import { Lightbox } from "/page/lightbox.js";
import { CallLog } from "/page/log.js";
import { face, nameOf, snippet } from "/page/message.js";
import { Pane } from "/page/pane.js";
import { People } from "/page/people.js";
import { popup } from "/page/popup.js";

const HINTS = ["/help", "/status", "/positions", "/discoveries", "/chart NVDA", "/report day", "/settings", "/panic"];
const ACTION_MS = 5000;
const ANSWER_MS = 30000;
const asked = new URLSearchParams(location.search);
const user = Number(asked.get("user")) || 7001;
const chat = { user, id: Number(asked.get("chat")) || user, online: false, loading: false, turn: 0, held: [], left: false, asksReply: false };
let actionTimer = 0;

const composer = new Composer((text, replyTo) => act("send", { text, ...(replyTo ? { reply_to: replyTo } : {}), anonymous: $("anonymous").checked && inGroup() }), (message, text) => act("edit", { message_id: message.message_id, text }));
const people = new People(choose);
const lightbox = new Lightbox();
const log = new CallLog();
const clock = new MarketClock((text) => toast(t("failed", { text })));
const pane = new Pane({
  command: (text) => composer.submit(text),
  press,
  zoom: (id, opener) => lightbox.open(pane.photos(), id, opener),
  jump: (id) => pane.jump(id),
  menu: openMenu,
}, (message) => message.author === chat.user);

const inGroup = () => chat.id < 0;

async function act(what, fields) {
  const body = { user: chat.user, ...(inGroup() ? { chat: chat.id } : {}), ...fields };
  try {
    const answer = await fetch(`/sim/${what}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const result = await answer.json();
    if (!result.ok) toast(t("failed", { text: result.error }));
  } catch { toast(t("unreachable")); }
}

async function press(message, one, forged) {
  if (one.url) return window.open(one.url, "_blank", "noopener");
  if (one.copy_text) return copy(one.copy_text.text);
  return act("tap", { message_id: message.message_id, data: one.callback_data, forge: forged });
}

async function copy(text) {
  await navigator.clipboard?.writeText(text).catch(() => {});
  toast(t("copied", { text: text.length > 60 ? `${text.slice(0, 60)}…` : text }));
}

/** Reply, edit, copy, forward: what can be done with a message. */
function openMenu(message, opener) {
  const text = message.text ?? message.caption;
  const others = [[chat.user, people.bot.first_name], ...people.of(chat.user).map((one) => [one.id, one.title])].filter(([id]) => id !== chat.id);
  popup(opener, [
    [t("reply"), () => composer.reply(message)],
    message.author === chat.user && text && [t("edit"), () => composer.change(message)],
    text && [t("copyText"), () => copy(text)],
    ...others.map(([id, name]) => [t("forwardTo", { name }), () => act("forward", { message_id: message.message_id, chat: id })]),
  ].filter(Boolean));
}

/* what stands around the messages */
function drawHead() {
  const group = people.groupOf(chat.id);
  $("bot-name").textContent = group?.title ?? people.bot?.first_name ?? "";
  const bot = Object.assign(el("img", "avatar"), { src: "/page/bot.svg", alt: "", width: 42, height: 42 });
  $("chat-face").replaceChildren(group ? face(group.id, group.title) : bot);
  $("anonymous-box").hidden = group?.members[0] !== chat.user;
  drawStatus();
}

function drawStatus(action) {
  const group = people.groupOf(chat.id);
  const still = group ? people.about(group) : t(chat.online ? "online" : "offline");
  $("status").textContent = action ?? still;
  $("status").classList.toggle("live", Boolean(action) || (chat.online && !group));
}

function showAction(name) {
  clearTimeout(actionTimer);
  drawStatus(t(known(name) ? name : "working"));
  actionTimer = setTimeout(() => drawStatus(), ACTION_MS);
}

function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { $("toast").hidden = true; }, 3500 + text.length * 20);
}

function answered(answer) {
  pane.waited(answer.message_id, answer.data);
  if (!answer.text) return;
  if (!answer.show_alert) return toast(answer.text);
  $("alert-text").textContent = answer.text;
  if (!$("alert").open) $("alert").showModal();
}

function pressed(id, data) {
  pane.wait(id, data);
  setTimeout(() => pane.waited(id, data), ANSWER_MS);
}

function welcome(description) {
  if (!inGroup()) return pane.welcome(t("about"), description || t("aboutText"), () => composer.submit("/start"));
  return pane.welcome(people.groupOf(chat.id)?.title ?? "", t("groupEmpty"));
}

/* loading and the feed */
/** What happens while the chat is being fetched is held back and replayed, so nothing is lost in between. */
async function load() {
  const turn = (chat.turn += 1);
  chat.loading = true;
  const data = await (await fetch(`/sim/chat?user=${chat.user}&chat=${chat.id}`)).json();
  if (turn !== chat.turn) return;
  chat.loading = false;
  pane.clear(inGroup());
  for (const query of data.pending) pressed(query.message_id, query.data);
  pane.pins = data.pinned;
  for (const message of data.messages) pane.add(message, false);
  if (!data.messages.length) welcome(data.description);
  if (data.left) pane.box.append(el("div", "service", button("", () => act("add_bot", {}), t("addBot"))));
  composer.commands = data.commands;
  composer.suffix = inGroup() ? `@${people.bot?.username ?? ""}` : "";
  composer.keyboard(data.reply_keyboard);
  pane.drawPins();
  pane.toBottom();
  chat.held.splice(0).forEach(received);
}

async function loadCommands() {
  const turn = chat.turn;
  const { commands } = await (await fetch(`/sim/chat?user=${chat.user}&chat=${chat.id}`)).json();
  if (turn === chat.turn) composer.commands = commands;
}

function received(event) {
  if (event.type === "outbox") log.add(event.entry);
  if (event.type === "outbox" || event.type === "polling") setOnline(true);
  if (event.type === "reset") return log.clear(), people.unread.clear(), people.draw(chat.user, chat.id), load();
  if (event.type === "commands") return loadCommands();
  if (event.chat === undefined) return undefined;
  if (event.chat === chat.id && chat.loading) return chat.held.push(event);
  if (event.type === "message") arrived(event);
  return event.chat === chat.id ? changed(event) : undefined;
}

function arrived({ chat: id, message }) {
  people.arrived(id, message.author, id === chat.id ? chat.user : 0);
  people.draw(chat.user, chat.id);
  if (id !== chat.id) return;
  const mine = message.author === chat.user;
  pane.arrive(message, mine);
  if (mine) return;
  clearTimeout(actionTimer);
  drawStatus();
  $("announce").textContent = t("newFrom", { name: nameOf(message), text: snippet(message) });
  if (chat.asksReply) composer.reply(message);
  chat.asksReply = false;
  if (message.left_chat_member || message.new_chat_members) askState().then(load);
}

const CHANGES = {
  edit: (event) => { pane.change(event.message, !event.quiet); pane.drawPins(); },
  delete: (event) => pane.remove(event.message_id),
  pins: (event) => { pane.pins = event.pinned; pane.drawPins(); },
  pressed: (event) => event.user === chat.user && pressed(event.message_id, event.data),
  answer: (event) => event.answer.user === chat.user && answered(event.answer),
  action: (event) => showAction(event.action),
  keyboard: (event) => {
    const stay = pane.near();
    composer.keyboard(event.keyboard);
    chat.asksReply = Boolean(event.keyboard?.force_reply);
    if (stay) pane.toBottom();
  },
};
const changed = (event) => CHANGES[event.type]?.(event);

function follow() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/sim/ws`);
  socket.addEventListener("message", async (raw) => {
    const event = JSON.parse(raw.data);
    if (event.type !== "hello") return received(event);
    await load();
    const { calls } = await (await fetch(`/sim/outbox?since=${log.last}`)).json();
    calls.slice(-300).forEach((entry) => log.add(entry));
    return undefined;
  });
  socket.addEventListener("close", () => { setOnline(false); setTimeout(follow, 1000); });
}

function setOnline(online) {
  if (chat.online !== online) { chat.online = online; drawStatus(); }
}

/** Asked every five seconds: the clock, the people, and whether the bot polls. */
async function askState() {
  try {
    const state = await (await fetch("/sim/state")).json();
    clock.update(state);
    if (people.update(state)) {
      people.draw(chat.user, chat.id);
      drawHead();
    }
    setOnline(state.polling);
  } catch { setOnline(false); }
}

function choose(person, id) {
  Object.assign(chat, { user: person, id, asksReply: false });
  chat.held.length = 0;
  people.count(person, id, 0);
  people.draw(person, id);
  showSide(false);
  composer.cancel();
  $("anonymous").checked = false;
  drawHead();
  drawHints();
  load();
}

function drawHints() {
  $("hints").replaceChildren(...HINTS.map((command) => button("hint", () => {
    showSide(false);
    composer.submit(inGroup() ? command.replace(/^\/\w+/, (name) => `${name}@${people.bot.username}`) : command);
  }, el("b", "", command), el("small", "", t(`hint.${command}`)))));
}

/* switches */
function showSide(on) {
  document.body.classList.toggle("with-side", on);
  $("open-side").setAttribute("aria-expanded", String(on));
}

function showLog(on) {
  document.body.classList.toggle("with-log", on);
  $("toggle-log").setAttribute("aria-expanded", String(on));
}

function setTheme(theme) {
  localStorage.setItem("theme", theme);
  document.documentElement.dataset.theme = theme;
  for (const one of $("theme").children) one.setAttribute("aria-pressed", String(one.value === theme));
}

function redrawWords() {
  translate();
  drawHints();
  log.count();
  if (people.bot) people.draw(chat.user, chat.id), drawHead();
}

$("theme").addEventListener("click", (event) => event.target.value && setTheme(event.target.value));
$("language").addEventListener("click", () => {
  setLanguage(language() === "ko" ? "en" : "ko");
  redrawWords();
  askState();
  load();
});
$("toggle-log").addEventListener("click", () => showLog(!document.body.classList.contains("with-log")));
$("close-log").addEventListener("click", () => { showLog(false); $("toggle-log").focus(); });
$("open-side").addEventListener("click", (event) => { event.stopPropagation(); showSide(!document.body.classList.contains("with-side")); });
document.querySelector(".chat").addEventListener("click", () => showSide(false));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !document.body.classList.contains("with-side")) return;
  showSide(false);
  $("open-side").focus();
});
$("alert").querySelector("button").addEventListener("click", () => $("alert").close());
setTheme(asked.get("theme") ?? localStorage.getItem("theme") ?? "auto");
showLog(matchMedia("(min-width: 1200px)").matches);
redrawWords();
askState().then(() => {
  drawHead();
  follow();
});
setInterval(askState, 5000);
