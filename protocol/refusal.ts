/**
 * Every way to say no, once, in order of precedence: the first that applies is given (`tap.md` §8).
 *
 * A refusal is a value: it is sent, shown and journaled. Codes 1–5 may travel in clear, as hints that nobody believes
 * for money; all others only inside the protected answer. From 9 on nothing about a value is said before its proof held.
 */
/** The light blinks for codes up to this one: the terminal or the tap failed, and no value was judged. */
export const blinkingMax = 5;

export interface Refusal {
  readonly code: number;
  readonly name: string;
  readonly light: "red" | "amber" | "yellow" | "blue";
  /** `h` high 80 ms, `l` low 250 ms, `-` pause. */
  readonly tone: string;
  readonly english: string;
  readonly japanese: string;
  /** Whether trying again can help, and where. */
  readonly retry: "no" | "yes" | "here" | "elsewhere";
  /** Who can help. */
  readonly help: "nobody" | "staff" | "holder" | "issuer" | "provider" | "host";
  readonly means: string;
}

/** What an accepted value shows. */
export const accepted = { light: "green", tone: "h" } as const;

/** By code; index 0 is empty, so that `refusals[14]` is `already_used`. */
export const refusals: readonly Refusal[] = [
  { code: 0, name: "none", light: "red", tone: "", english: "", japanese: "", retry: "no", help: "nobody", means: "not a refusal" },
  { code: 1, name: "out_of_service", light: "red", tone: "l-l-l", english: "Out of service", japanese: "使用中止", retry: "elsewhere", help: "staff", means: "fault, open journal, no keys" },
  { code: 2, name: "busy", light: "amber", tone: "l", english: "Please wait", japanese: "お待ちください", retry: "here", help: "nobody", means: "another tap, gate still open" },
  { code: 3, name: "terminal_full", light: "red", tone: "l-l-l", english: "Use another gate", japanese: "別の改札へ", retry: "elsewhere", help: "staff", means: "journal or notices full until sync" },
  { code: 4, name: "unsupported_version", light: "red", tone: "l-l", english: "Update the app", japanese: "アプリを更新", retry: "no", help: "holder", means: "no common version or profile" },
  { code: 5, name: "bad_message", light: "amber", tone: "l", english: "Tap again", japanese: "もう一度", retry: "here", help: "nobody", means: "undecodable, wrong state" },
  { code: 6, name: "not_acknowledged", light: "amber", tone: "l", english: "Tap again", japanese: "もう一度", retry: "here", help: "nobody", means: "no acknowledgement in time" },
  { code: 7, name: "profile_too_weak", light: "red", tone: "l-l", english: "Use a full tap", japanese: "通常タッチで", retry: "elsewhere", help: "holder", means: "value forbids this profile or class" },
  { code: 8, name: "wrong_kind", light: "red", tone: "l-l", english: "Not accepted here", japanese: "取扱対象外", retry: "elsewhere", help: "holder", means: "genuine kind, not taken here" },
  { code: 9, name: "not_genuine", light: "red", tone: "l-l-l", english: "Not valid", japanese: "無効です", retry: "no", help: "issuer", means: "signature, MAC or proof fails" },
  { code: 10, name: "terminal_unknown", light: "amber", tone: "l", english: "Tap again", japanese: "もう一度", retry: "yes", help: "nobody", means: "certificate behind the newest receipt missing" },
  { code: 11, name: "revoked", light: "red", tone: "l-l-l", english: "Cancelled", japanese: "取消済み", retry: "no", help: "issuer", means: "status list says so" },
  { code: 12, name: "suspended", light: "red", tone: "l-l", english: "On hold", japanese: "利用停止中", retry: "no", help: "provider", means: "status list says so" },
  { code: 13, name: "owner_superseded", light: "red", tone: "l-l", english: "Given to another", japanese: "譲渡済み", retry: "no", help: "holder", means: "transferred on" },
  { code: 14, name: "already_used", light: "yellow", tone: "l-l", english: "Already used", japanese: "使用済み", retry: "no", help: "staff", means: "this receipt or single use is finished; since when" },
  { code: 15, name: "state_outdated", light: "yellow", tone: "l-l", english: "Old copy, go online", japanese: "更新が必要", retry: "no", help: "holder", means: "a higher counter was seen" },
  { code: 16, name: "finish_elsewhere", light: "yellow", tone: "l-l", english: "Return to first gate", japanese: "最初の改札へ", retry: "elsewhere", help: "holder", means: "unresolved at another terminal" },
  { code: 17, name: "outcome_unknown", light: "yellow", tone: "l-l", english: "Ask staff", japanese: "係員へ", retry: "no", help: "staff", means: "recorded, power was cut" },
  { code: 18, name: "resume_too_late", light: "yellow", tone: "l-l", english: "Will be refunded", japanese: "後日返金", retry: "no", help: "host", means: "closed; the host credits" },
  { code: 19, name: "credited", light: "yellow", tone: "l", english: "Tap as new", japanese: "再タッチ", retry: "yes", help: "nobody", means: "this use was undone" },
  { code: 20, name: "not_yet_valid", light: "yellow", tone: "l-l", english: "Too early", japanese: "時間前です", retry: "yes", help: "nobody", means: "before the window; since" },
  { code: 21, name: "expired", light: "red", tone: "l-l", english: "Expired", japanese: "期限切れ", retry: "no", help: "issuer", means: "after the window" },
  { code: 22, name: "wrong_zone", light: "yellow", tone: "l-l", english: "Other entrance", japanese: "入口が違います", retry: "elsewhere", help: "holder", means: "other gate or venue" },
  { code: 23, name: "pass_back", light: "yellow", tone: "l-l", english: "Already inside", japanese: "入場中です", retry: "no", help: "staff", means: "entered and not left, or left and not entered" },
  { code: 24, name: "rule_refused", light: "yellow", tone: "l-l", english: "Not now", japanese: "回数・間隔制限", retry: "yes", help: "nobody", means: "day or interval limit of the rule" },
  { code: 25, name: "insufficient", light: "yellow", tone: "l-l", english: "Not enough left", japanese: "残高不足", retry: "no", help: "holder", means: "uses or amount would go over most" },
  { code: 26, name: "sync_needed", light: "yellow", tone: "l-l", english: "Connect to network", japanese: "通信が必要", retry: "yes", help: "holder", means: "offline uses, amount or days reached" },
  { code: 27, name: "status_undetermined", light: "blue", tone: "l-h", english: "Cannot check now", japanese: "確認できません", retry: "elsewhere", help: "staff", means: "no status list, too old, or unreadable, and the value demands one" },
  { code: 28, name: "clock_unknown", light: "blue", tone: "l-h", english: "Cannot check now", japanese: "確認できません", retry: "elsewhere", help: "staff", means: "time needed and not known" },
];

/** The codes by name, for code that refuses. */
export const refusal = {
  out_of_service: 1,
  busy: 2,
  terminal_full: 3,
  unsupported_version: 4,
  bad_message: 5,
  not_acknowledged: 6,
  profile_too_weak: 7,
  wrong_kind: 8,
  not_genuine: 9,
  terminal_unknown: 10,
  revoked: 11,
  suspended: 12,
  owner_superseded: 13,
  already_used: 14,
  state_outdated: 15,
  finish_elsewhere: 16,
  outcome_unknown: 17,
  resume_too_late: 18,
  credited: 19,
  not_yet_valid: 20,
  expired: 21,
  wrong_zone: 22,
  pass_back: 23,
  rule_refused: 24,
  insufficient: 25,
  sync_needed: 26,
  status_undetermined: 27,
  clock_unknown: 28,
} as const;

/** True for codes that may be sent in clear. */
export function mayBeClear(code: number): boolean {
  return code >= 1 && code <= 5;
}

/** `help` as it travels: index into this list. */
export const helpers = ["nobody", "staff", "holder", "issuer", "provider", "host"] as const;

// ---- the same, one digit a code, for machines that show no text ---------------------------------------------------------

const lightNames = ["red", "amber", "yellow", "blue"] as const;
const toneNames = ["", "l", "l-l", "l-l-l", "l-h"] as const;
const lights = "00100110001000222222202222233";
const tones = "03132112231322222221222222244";
const helps = "01012002230342122150032102211";

/** Light and tone of a code; of 0 those of an accepted value. */
export function lightOf(code: number): Refusal["light"] | "green" {
  return code === 0 ? accepted.light : lightNames[digit(lights, code)]!;
}
export function toneOf(code: number): string {
  return code === 0 ? accepted.tone : toneNames[digit(tones, code)]!;
}
/** The number that travels for the `help` of a code. */
export function helpNumber(code: number): number {
  return digit(helps, code);
}
function digit(digits: string, code: number): number {
  return code < digits.length ? digits.charCodeAt(code) - 48 : 0;
}
