// The chat page: loads one person's chat, follows the live feed, sends what the person does.
import { Composer } from "/page/composer.js";
import { CallLog } from "/page/log.js";
import { dayOf, draw, el, snippet } from "/page/message.js";

const $ = (id) => document.getElementById(id);
const NAMES = { 7001: ["나 (주인)", "승인할 수 있는 사람"], 9009: ["낯선 사람 Eve", "권한이 없는 사람"] };
const HINTS = [
  ["/help", "무엇을 할 수 있나요?"], ["/status", "지금 상태"], ["/positions", "보유 종목"], ["/discoveries", "오늘 찾은 종목"],
  ["/chart NVDA", "차트 그리기"], ["/report day", "오늘의 결과"], ["/settings", "설정 바꾸기"], ["/panic", "모든 매수를 즉시 멈춤"],
];
const ACTIONS = { typing: "입력 중…", upload_photo: "사진 보내는 중…", upload_document: "파일 보내는 중…" };
const chat = { user: Number(new URLSearchParams(location.search).get("user")) || 7001, messages: new Map(), waiting: new Map(), pinned: [], unread: 0, online: false, turn: 0, loading: false, held: [] };
let actionTimer = 0;
let clockSkew = null;

const composer = new Composer((text, replyTo) => act("send", { text, ...(replyTo ? { reply_to: replyTo } : {}) }));
const log = new CallLog($("log"), $("calls"), $("log-polls"));
const acts = {
  command: (text) => composer.submit(text),
  press,
  reply: (message) => composer.reply(message),
  zoom: (src) => { $("lightbox").firstElementChild.src = src; $("lightbox").showModal(); },
  jump,
};

async function act(what, fields) {
  const answer = await fetch(`/sim/${what}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: chat.user, ...fields }) });
  const body = await answer.json();
  if (!body.ok) toast(body.error);
  return body;
}

async function press(message, button) {
  if (button.url) return window.open(button.url, "_blank", "noopener");
  if (button.copy_text) {
    await navigator.clipboard?.writeText(button.copy_text.text).catch(() => {});
    return toast(`복사했습니다: ${button.copy_text.text}`);
  }
  if (chat.waiting.get(message.message_id)?.has(button.callback_data)) return undefined;
  return act("tap", { message_id: message.message_id, data: button.callback_data });
}

/* drawing */
const box = $("messages");
const nearBottom = () => box.scrollHeight - box.scrollTop - box.clientHeight < 120;

function toBottom() {
  box.scrollTop = box.scrollHeight;
  chat.unread = 0;
  $("unread").textContent = "";
}

function node(message) {
  return draw(message, acts, chat.waiting.get(message.message_id) ?? new Set());
}

function append(message, fresh) {
  if (chat.messages.has(message.message_id)) return redraw(message, false);
  box.querySelector(".empty")?.remove();
  const last = [...chat.messages.values()].at(-1);
  if (!last || dayOf(last) !== dayOf(message)) box.append(el("div", "day", el("span", "", dayOf(message))));
  chat.messages.set(message.message_id, message);
  const row = node(message);
  row.classList.toggle("fresh", fresh);
  box.append(row);
  joinRuns();
  return undefined;
}

/** The avatar stands only at the last of several messages in a row. */
function joinRuns() {
  const rows = [...box.children].slice(-60);
  rows.forEach((row, i) => row.classList.toggle("joined", row.matches(".row.in") && Boolean(rows[i + 1]?.matches(".row.in"))));
}

function redraw(message, flash) {
  const old = box.querySelector(`[data-message-id="${message.message_id}"]`);
  chat.messages.set(message.message_id, message);
  if (!old) return;
  const stay = nearBottom();
  const row = node(message);
  row.classList.toggle("flash", flash);
  old.replaceWith(row);
  joinRuns();
  if (stay) toBottom();
}

function jump(id) {
  const row = box.querySelector(`[data-message-id="${id}"]`);
  if (!row) return;
  row.scrollIntoView({ block: "center" });
  row.classList.remove("flash");
  requestAnimationFrame(() => row.classList.add("flash"));
}

function drawPinned() {
  const message = chat.messages.get(chat.pinned.at(-1));
  $("pinned").hidden = !message;
  if (message) $("pinned").replaceChildren(el("b", "", "고정된 메시지"), el("span", "", snippet(message)));
}

function drawStatus(action) {
  $("status").textContent = action ?? (chat.online ? "봇 · 온라인" : "봇이 꺼져 있습니다");
  $("status").classList.toggle("live", Boolean(action) || chat.online);
}

function showAction(name) {
  clearTimeout(actionTimer);
  drawStatus(ACTIONS[name] ?? "작업 중…");
  actionTimer = setTimeout(() => drawStatus(), 5000);
}

function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { $("toast").hidden = true; }, 3500);
}

function answered(answer) {
  const set = chat.waiting.get(answer.message_id);
  set?.delete(answer.data);
  const message = chat.messages.get(answer.message_id);
  if (message) redraw(message, false);
  if (!answer.text) return;
  if (answer.show_alert) {
    $("alert").querySelector("p").textContent = answer.text;
    if (!$("alert").open) $("alert").showModal();
  } else toast(answer.text);
}

function pressed(id, data) {
  chat.waiting.set(id, (chat.waiting.get(id) ?? new Set()).add(data));
  const message = chat.messages.get(id);
  if (message) redraw(message, false);
  setTimeout(() => answered({ message_id: id, data }), 30000);
}

function empty(description) {
  const start = el("button", "", "시작");
  start.type = "button";
  start.addEventListener("click", () => composer.submit("/start"));
  const text = description || "미국 주식을 대신 찾아 주는 봇입니다. 시작을 누르면 /start 를 보냅니다.";
  box.append(el("div", "empty", el("div", "", el("strong", "", "무엇을 하는 봇인가요?"), el("span", "", text), start)));
}

/* loading and the feed */
/** What happens while the chat is being fetched is held back and replayed, so nothing is lost in between. */
async function load() {
  const turn = (chat.turn += 1);
  chat.loading = true;
  const data = await (await fetch(`/sim/chat?user=${chat.user}`)).json();
  if (turn !== chat.turn) return;
  chat.loading = false;
  chat.messages.clear();
  chat.waiting.clear();
  for (const query of data.pending) pressed(query.message_id, query.data);
  chat.pinned = data.pinned;
  box.replaceChildren();
  for (const message of data.messages) append(message, false);
  if (!data.messages.length) empty(data.description);
  composer.commands = data.commands;
  composer.keyboard(data.reply_keyboard);
  drawPinned();
  toBottom();
  chat.held.splice(0).forEach(received);
}

async function loadCommands() {
  const { commands, user } = await (await fetch(`/sim/chat?user=${chat.user}`)).json();
  if (user.id === chat.user) composer.commands = commands;
}

function received(event) {
  if (event.type === "outbox") log.add(event.entry);
  if (event.type === "outbox" || event.type === "polling") setOnline(true);
  if (event.type === "reset") return log.clear(), load();
  if (event.type === "commands") return loadCommands();
  if (event.chat !== chat.user) return undefined;
  if (chat.loading) return chat.held.push(event);
  const stay = nearBottom();
  if (event.type === "message") {
    append(event.message, true);
    if (!event.message.out) clearTimeout(actionTimer), drawStatus();
    if (stay || event.message.out) toBottom();
    else $("unread").textContent = String(chat.unread += 1);
  } else if (event.type === "edit") redraw(event.message, !event.quiet), drawPinned();
  else if (event.type === "delete") {
    chat.messages.delete(event.message_id);
    box.querySelector(`[data-message-id="${event.message_id}"]`)?.remove();
  } else if (event.type === "pins") { chat.pinned = event.pinned; drawPinned(); }
  else if (event.type === "pressed") pressed(event.message_id, event.data);
  else if (event.type === "answer") answered(event.answer);
  else if (event.type === "action") showAction(event.action);
  else if (event.type === "keyboard") { composer.keyboard(event.keyboard); if (stay) toBottom(); }
  return undefined;
}

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

/* the market clock: asked every five seconds, drawn in between at the speed it was seen to run */
const FORMATS = { "clock-kst": "Asia/Seoul", "clock-et": "America/New_York" };
for (const id of Object.keys(FORMATS)) FORMATS[id] = new Intl.DateTimeFormat("ko-KR", { timeZone: FORMATS[id], weekday: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

async function askState() {
  try {
    const state = await (await fetch("/sim/state")).json();
    const [now, here] = [Date.parse(state.now), performance.now()];
    const speed = clockSkew ? (now - clockSkew.now) / (here - clockSkew.here) : 1;
    clockSkew = { now, here, speed: Number.isFinite(speed) && speed >= 0 ? speed : 1 };
    if (!$("users").children.length) drawUsers(state);
    setOnline(state.polling);
  } catch { setOnline(false); }
}

function tick() {
  if (!clockSkew) return;
  const now = clockSkew.now + (performance.now() - clockSkew.here) * clockSkew.speed;
  for (const [id, format] of Object.entries(FORMATS)) $(id).textContent = format.format(now);
}

function drawUsers(state) {
  $("bot-name").textContent = state.bot.first_name;
  $("users").replaceChildren(...state.users.map((user) => {
    const [name, about] = NAMES[user.id] ?? [user.first_name, ""];
    const face = el("span", "face", user.first_name[0]);
    const button = el("button", "user", face, el("span", "", name, el("small", "", about)));
    button.type = "button";
    button.dataset.user = user.id;
    button.setAttribute("role", "tab");
    button.addEventListener("click", () => choose(user.id));
    return button;
  }));
  markUser();
}

function markUser() {
  for (const button of $("users").children) button.setAttribute("aria-selected", String(Number(button.dataset.user) === chat.user));
}

function choose(user) {
  chat.user = user;
  chat.held.length = 0;
  document.body.classList.remove("with-side");
  markUser();
  composer.reply(null);
  drawStatus();
  load();
}

$("hints").append(...HINTS.map(([command, about]) => {
  const button = el("button", "hint", el("b", "", command), el("small", "", about));
  button.type = "button";
  button.addEventListener("click", () => { document.body.classList.remove("with-side"); composer.submit(command); });
  return button;
}));
$("toggle-log").addEventListener("click", () => document.body.classList.toggle("with-log"));
$("open-side").addEventListener("click", (event) => { event.stopPropagation(); document.body.classList.toggle("with-side"); });
document.querySelector(".chat").addEventListener("click", () => document.body.classList.remove("with-side"));
$("pinned").addEventListener("click", () => jump(chat.pinned.at(-1)));
$("to-bottom").addEventListener("click", toBottom);
box.addEventListener("scroll", () => {
  $("to-bottom").hidden = nearBottom();
  if (nearBottom()) { chat.unread = 0; $("unread").textContent = ""; }
});
$("lightbox").addEventListener("click", () => $("lightbox").close());
$("alert").querySelector("button").addEventListener("click", () => $("alert").close());
if (matchMedia("(min-width: 1200px)").matches) document.body.classList.add("with-log");
askState().then(() => {
  drawStatus();
  follow();
});
setInterval(askState, 5000);
setInterval(tick, 250);
