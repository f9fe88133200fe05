// The page's own words in Korean and English, and how it writes times.
const TEXTS = {
  ko: {
    title: "서학 · 연습용 텔레그램", brand: "서학", practice: "연습용 텔레그램", side: "사람, 대화, 사용법", people: "누구로 쓸까요?",
    chats: "대화", hints: "이렇게 써 보세요", note: "이 화면은 내 컴퓨터 안에서만 돕니다. 실제 텔레그램도, 실제 주문도 아닙니다.",
    owner: "승인할 수 있는 주인", guest: "아직 초대받지 않은 사람", stranger: "권한이 없는 낯선 사람", bot: "봇", group: "그룹 · {n}명과 봇",
    groupLeft: "그룹 · 봇이 나갔습니다", channel: "채널", conversation: "대화", connecting: "연결 중…", online: "봇 · 온라인", offline: "봇이 꺼져 있습니다",
    typing: "입력 중…", upload_photo: "사진 보내는 중…", upload_document: "파일 보내는 중…", working: "작업 중…",
    menu: "사람과 대화 고르기", commands: "명령어", message: "메시지", send: "보내기", cancelReply: "답장 취소", bottom: "맨 아래로",
    pinnedTitle: "고정된 메시지", pinnedBy: "고정함: {text}", gone: "지워진 메시지", photo: "사진", photos: "사진 {n}장", edited: "수정됨", editedTimes: "{at} · {n}번 수정",
    kst: "{at} (한국 시각)", forwarded: "전달됨 · {name}", via: "{name} 봇으로", admin: "관리자", copied: "복사했습니다: {text}", copy: "복사",
    more: "더 보기", less: "접기", spoiler: "가려진 내용 보기", codeCopy: "눌러서 복사", codeBlock: "코드", silent: "소리 없이 옴", pressing: "답을 기다리는 중",
    lost: "전달하면 버튼은 떨어집니다. 고친 앱이라면 이렇게 위조해 누를 수 있습니다.", forge: "위조", menuOf: "메시지 메뉴", reply: "답장", forwardTo: "{name}에 전달", edit: "수정",
    copyText: "글 복사", joined: "{name}님이 봇을 초대했습니다", leftChat: "봇이 그룹에서 나갔습니다", addBot: "봇을 다시 초대", anonymous: "익명 관리자로",
    about: "무엇을 하는 봇인가요?", start: "시작", aboutText: "미국 주식을 대신 찾아 주는 봇입니다. 시작을 누르면 /start 를 보냅니다.",
    groupEmpty: "아직 아무 말도 없습니다. 봇은 개인 대화에서만 움직입니다. 여기서 명령을 보내 확인해 보세요.",
    ok: "확인", close: "닫기", calls: "Bot API 호출", polls: "getUpdates 포함", failedOnly: "오류만", filter: "메서드나 내용으로 찾기",
    parameters: "매개변수", result: "결과", clearLog: "비우기", callCount: "{n}건", failCount: "오류 {n}", floodCount: "429 × {n}", noCalls: "아직 호출이 없습니다.",
    theme: "화면 밝기", auto: "자동", light: "밝게", dark: "어둡게", language: "English", languageLabel: "Switch to English",
    korea: "한국", newYork: "뉴욕", clock: "시장 시계", speed: "속도", pause: "멈춤", resume: "다시 가기", minute: "+1분", tenMinutes: "+10분", toReport: "06:30 리포트로", toOpen: "개장으로",
    clockFixed: "서비스들이 이 시계를 함께 쓰고 있어 도중에 바꿀 수 없습니다. 속도는 시작할 때 정합니다: seohak demo --speed 20",
    clockFree: "시간은 앞으로만 갑니다.", previous: "이전 사진", next: "다음 사진", viewer: "사진 크게 보기", download: "내려받기 {name}, {size}",
    unread: "안 읽음 {n}", newFrom: "{name}: {text}", save: "저장", editing: "수정 중", failed: "안 됩니다: {text}", unreachable: "샌드박스가 대답하지 않습니다. 다시 시작해 주세요.",
    "hint./help": "무엇을 할 수 있나요?", "hint./status": "지금 상태", "hint./positions": "보유 종목", "hint./discoveries": "오늘 찾은 종목",
    "hint./chart NVDA": "차트 그리기", "hint./report day": "오늘의 결과", "hint./settings": "설정 바꾸기", "hint./panic": "모든 매수를 즉시 멈춤",
  },
  en: {
    title: "Seohak · practice Telegram", brand: "Seohak", practice: "practice Telegram", side: "People, chats, how to", people: "Who are you?",
    chats: "Chats", hints: "Try these", note: "This page runs inside your computer only. No real Telegram, no real orders.",
    owner: "the owner, may approve", guest: "not invited yet", stranger: "a stranger without rights", bot: "bot", group: "group · {n} people and the bot",
    groupLeft: "group · the bot has left", channel: "channel", conversation: "Conversation", connecting: "connecting…", online: "bot · online", offline: "the bot is off",
    typing: "typing…", upload_photo: "sending a photo…", upload_document: "sending a file…", working: "working…",
    menu: "Choose a person and a chat", commands: "Commands", message: "Message", send: "Send", cancelReply: "Cancel reply", bottom: "To the newest",
    pinnedTitle: "Pinned message", pinnedBy: "pinned: {text}", gone: "Deleted message", photo: "Photo", photos: "{n} photos", edited: "edited", editedTimes: "{at} · edited {n} times",
    kst: "{at} (Korean time)", forwarded: "Forwarded from {name}", via: "via {name}", admin: "admin", copied: "Copied: {text}", copy: "copy",
    more: "Show more", less: "Show less", spoiler: "Show hidden text", codeCopy: "Press to copy", codeBlock: "Code", silent: "without sound", pressing: "waiting for an answer",
    lost: "Forwarding drops the buttons. A tampered app could still forge a press like this.", forge: "forged", menuOf: "Message menu", reply: "Reply", forwardTo: "Forward to {name}", edit: "Edit",
    copyText: "Copy text", joined: "{name} added the bot", leftChat: "The bot left the group", addBot: "Add the bot again", anonymous: "as anonymous admin",
    about: "What can this bot do?", start: "Start", aboutText: "It looks for US stocks for you. Start sends /start.",
    groupEmpty: "Nobody has written yet. The bot acts in private chats only: send a command here and see.",
    ok: "OK", close: "Close", calls: "Bot API calls", polls: "with getUpdates", failedOnly: "errors only", filter: "Find by method or content",
    parameters: "Parameters", result: "Result", clearLog: "Clear", callCount: "{n} calls", failCount: "errors {n}", floodCount: "429 × {n}", noCalls: "No calls yet.",
    theme: "Brightness", auto: "auto", light: "light", dark: "dark", language: "한국어", languageLabel: "한국어로 바꾸기",
    korea: "Seoul", newYork: "New York", clock: "Market clock", speed: "Speed", pause: "Pause", resume: "Go on", minute: "+1 min", tenMinutes: "+10 min", toReport: "to the 06:30 report", toOpen: "to the open",
    clockFixed: "The services share this clock, so it cannot change while they run. Its speed is chosen at the start: seohak demo --speed 20",
    clockFree: "Time only goes forward.", previous: "Previous photo", next: "Next photo", viewer: "Photo viewer", download: "Download {name}, {size}",
    unread: "{n} unread", newFrom: "{name}: {text}", save: "Save", editing: "Editing", failed: "Not possible: {text}", unreachable: "The sandbox does not answer. Please start it again.",
    "hint./help": "What can I do?", "hint./status": "How things are", "hint./positions": "What I hold", "hint./discoveries": "Found today",
    "hint./chart NVDA": "Draw a chart", "hint./report day": "Today's result", "hint./settings": "Change settings", "hint./panic": "Stop all buying now",
  },
};

const query = new URLSearchParams(location.search);
let code = [query.get("lang"), localStorage.getItem("lang"), navigator.language?.slice(0, 2)].find((one) => one in TEXTS) ?? "en";

export const language = () => code;
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values?.[name] ?? whole);
export const t = (key, values) => fill(TEXTS[code][key] ?? key, values);
export const known = (key) => key in TEXTS[code];

export function setLanguage(next) {
  code = next;
  localStorage.setItem("lang", next);
}

/** Fill the words of the page's fixed parts: data-t is the text, data-t-label the accessible name. */
export function translate() {
  document.documentElement.lang = code;
  document.title = t("title");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
    if (node.matches("button")) node.title = t(node.dataset.tLabel);
  }
  for (const node of document.querySelectorAll("[data-t-placeholder]")) node.placeholder = t(node.dataset.tPlaceholder);
}

const made = new Map();
const format = (zone, options, instant) => {
  const key = code + zone + JSON.stringify(options);
  if (!made.has(key)) made.set(key, new Intl.DateTimeFormat(code === "ko" ? "ko-KR" : "en-GB", { timeZone: zone, ...options }));
  return made.get(key).format(instant);
};
const KST = "Asia/Seoul";
const SECONDS = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
export const timeOf = (seconds) => format(KST, { hour: "2-digit", minute: "2-digit", hour12: false }, seconds * 1000);
export const dayOf = (seconds) => format(KST, { month: "long", day: "numeric", weekday: "short" }, seconds * 1000);
export const fullOf = (seconds) => format(KST, { dateStyle: "full", timeStyle: "medium" }, seconds * 1000);
export const secondsOf = (at) => format(KST, SECONDS, at);
export const clockOf = (zone, at) => format(zone, { weekday: "short", ...SECONDS }, at);

/** What a date_time entity shows: its own text, and the whole instant on hover. */
export const instantOf = (seconds) => t("kst", { at: fullOf(seconds) });
export const sizeOf = (bytes) => (bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1048576).toFixed(1)} MB`);
