/**
 * The bare core on a bench: verifiers and holders of `protocol/session` with a journal and a wallet in memory, and nothing
 * between them but messages in order. No link, no clock, no machine: what a tap is made of can be moved one step at a time,
 * copied, and compared. Enumerations, the small model and the protocol fuzzer all stand on this page.
 */
import type { Crypto } from "../../protocol/crypto/crypto.js";
import type { HeldCertificate } from "../../protocol/session/book.js";
import type { Effect, Input, Verifier, VerifierSettings } from "../../protocol/session/events.js";
import { hold, makeHolder, type Held, type Holder, type HolderEffect, type HolderInput, type Wallet } from "../../protocol/session/holder.js";
import { profileA } from "../../protocol/session/profile-a.js";
import { profileB } from "../../protocol/session/profile-b.js";
import { keyOfGrant, mac8, none, type GroupKeys } from "../../protocol/session/transcript.js";
import { makeVerifier, step } from "../../protocol/session/verifier.js";
import { encodeRule } from "../../protocol/rule.js";
import { hex } from "../../protocol/wire/bytes.js";
import { certificateId, decodeTerminalCertificate, encodeTerminalCertificate, terminalRole, terminalToSign, type SignedClaims } from "../../protocol/wire/certificate.js";
import type { Entry } from "../../protocol/wire/entry.js";
import { intent, type Want } from "../../protocol/wire/message.js";
import { decodeReceipt } from "../../protocol/wire/receipt.js";
import { shortKeyId } from "../../protocol/wire/signed.js";
import { encodeValue, unit, valueToSign, type Value } from "../../protocol/wire/value.js";
import { apply, bookView, makeBook, type BookState } from "../../runtime/value/book.js";

export const start = 1_800_000_000;
export const daySeconds = 86400;
const utf8 = (text: string) => new TextEncoder().encode(text);

/** A provider and its cryptography: real, or perfect (`test/simulation/model/perfect.ts`). */
export interface Mint { crypto: Crypto; values: Uint8Array; certificates: Uint8Array; group: GroupKeys }
export function makeMint(crypto: Crypto): Mint {
  const key = (word: string) => crypto.sha256(utf8(word));
  return { crypto, values: secretOf(crypto, "values"), certificates: secretOf(crypto, "certificates"), group: { group: 7, epoch: 3, grantKey: key("grant"), deriveKey: key("derive"), receiptKey: key("receipt") } };
}
/** A secret from a word, with an even public point where the protocol sends x alone. */
export function secretOf(crypto: Crypto, word: string): Uint8Array {
  for (let i = 0; ; i++) {
    const secret = crypto.sha256(utf8(word + i));
    if (crypto.publicKey(secret)?.[0] === 2) return secret;
  }
}

// ---- terminals --------------------------------------------------------------------------------------------------------

export interface Gate {
  mint: Mint;
  name: string;
  signing: Uint8Array;
  agreement: Uint8Array;
  verifier: Verifier;
  book: BookState;
  /** What is durable, in order, and what is written but would be lost in a power cut. */
  journal: Entry[];
  lazy: Entry[];
  /** An append that is under way: `finishWrite` or a power cut decides. */
  writing: Entry | undefined;
  /** A key operation under way. */
  keyed: Input | undefined;
  tap: number;
  ceiling: number;
  /** Messages to the handset that nobody took yet. */
  out: Uint8Array[];
  opened: number;
  /** Codes shown, in order; 0 is the all-clear. */
  shown: number[];
  since: number;
  question: { owner: Uint8Array; receipt: Uint8Array; proof: Uint8Array } | undefined;
  answers: { to: Uint8Array; receipt: Uint8Array; code: number }[];
  effects: string[];
}

export interface GateOptions {
  role?: number; want?: Partial<Want>; zones?: number[]; profiles?: "A" | "B" | "AB"; sensor?: boolean; reopen?: number; oneWay?: boolean; settings?: Partial<VerifierSettings>;
}

export function makeGate(mint: Mint, name: string, o: GateOptions = {}): Gate {
  const signing = secretOf(mint.crypto, name + " signing");
  const agreement = secretOf(mint.crypto, name + " agreement");
  const settings = settingsOf(mint, name, signing, agreement, o);
  const g: Gate = {
    mint, name, signing, agreement, verifier: makeVerifier(settings), book: makeBook(mint.crypto), journal: [], lazy: [], writing: undefined, keyed: undefined, tap: 0, ceiling: 0, out: [], opened: 0,
    shown: [], since: 0, question: undefined, answers: [], effects: [],
  };
  g.book.ladder = "fresh";
  g.book.statusBits = new Uint8Array(64);
  return g;
}

function settingsOf(mint: Mint, name: string, signing: Uint8Array, agreement: Uint8Array, o: GateOptions): VerifierSettings {
  const profiles = o.profiles ?? "A";
  return {
    role: o.role ?? terminalRole.gate, certificate: profiles === "B" ? undefined : certified(mint, name, signing, agreement, o.role ?? terminalRole.gate),
    terminalId: mint.crypto.sha256(utf8(name)).slice(0, 8), group: profiles === "A" ? undefined : mint.group,
    profiles: profiles === "A" ? [profileA] : profiles === "B" ? [profileB] : [profileA, profileB], oneWay: o.oneWay ?? false,
    want: { action: 1, kinds: ["ticket", "coupon"], amount: 1, currency: undefined, ...o.want }, zones: o.zones ?? [1], taking: { useMost: 100_000, usesADay: 100, boxADay: 1_000_000 },
    valueKeys: [keyOf(mint, mint.values)], certificateKeys: [keyOf(mint, mint.certificates)], hasSensor: o.sensor ?? true, resumeSeconds: 600, reopen: o.reopen ?? 1,
    passageMs: 8000, pendingMax: 64, ...o.settings,
  };
}
const keyOf = (mint: Mint, secret: Uint8Array) => ({ kid: shortKeyId(mint.crypto, mint.crypto.publicKey(secret)!), publicKey: mint.crypto.publicKey(secret)! });

function certified(mint: Mint, name: string, signing: Uint8Array, agreement: Uint8Array, role: number): HeldCertificate {
  const { crypto } = mint;
  const claims = encodeTerminalCertificate({
    zones: [1], expires: start + 14 * daySeconds, notBefore: start - 3600, terminalId: crypto.sha256(utf8(name)).slice(0, 8), signingKey: crypto.publicKey(signing)!,
    agreementKey: crypto.publicKey(agreement)!, role, kinds: ["ticket", "coupon", "card"], most: 5000, currency: 978, name, merchant: "Example Hall", group: 0,
  });
  const { kid } = keyOf(mint, mint.certificates);
  return { signed: { kid, claims, signature: crypto.sign(mint.certificates, terminalToSign(kid, claims)) }, decoded: decodeTerminalCertificate(claims)! };
}

/** Two terminals of one operator can check each other's receipts. */
export function introduce(...gates: Gate[]): void {
  for (const g of gates) for (const other of gates) {
    const c = other.verifier.settings.certificate;
    if (c === undefined) continue;
    g.book.terminals[hex(certificateId(g.mint.crypto, c.signed.claims))] = { own: g === other, certificate: c.decoded };
  }
}
export const idOf = (g: Gate): Uint8Array =>
  g.verifier.settings.certificate === undefined ? g.verifier.settings.terminalId : certificateId(g.mint.crypto, g.verifier.settings.certificate.signed.claims);

/** Mistakes of a driver, never of the core: what the model must find (`tap.md` §11). */
export type Plant = "open before the record" | "acknowledge before storing" | "journal lost in a power cut" | "resume at a deaf terminal" | "finish after closing"
  | "closing while a tap is open" | "resume on a missing outcome";
export interface Moment { nowMs?: number; at?: number; quality?: number; /** Appends wait for `finishWrite`, stores for `finishStore`. */ slowWrites?: boolean; /** Keys and the person answer later: `finishKey`, `finishAsk`. */ slowKeys?: boolean; slowPerson?: boolean; plant?: Plant | undefined }

/** One input to the verifier, and all that it wants done. */
export function drive(g: Gate, input: Input, o: Moment = {}): void {
  const queue: Input[] = [input];
  for (let i = 0; i < queue.length; i++) {
    if (i > 20) throw new Error("a step of the verifier does not end");
    const book = o.plant === "finish after closing" ? { ...bookView(g.book), closed: () => 0 } : bookView(g.book);
    const given = { nowMs: o.nowMs ?? 0, at: o.at ?? start, quality: o.quality ?? 2, crypto: g.mint.crypto, book };
    for (const effect of step(g.verifier, queue[i]!, given)) {
      const answer = perform(g, effect, o);
      if (answer !== undefined) queue.push(answer);
    }
  }
}

function perform(g: Gate, e: Effect, o: Moment): Input | undefined {
  g.effects.push(e.do);
  if (g.effects.length > 64) g.effects.shift();
  switch (e.do) {
    case "send": g.out.push(e.bytes); return undefined;
    case "agree": return later(g, { type: "agreed", number: e.number, shared: g.mint.crypto.agree(g.agreement, e.publicKey) }, o);
    case "sign": return later(g, { type: "signed", number: e.number, signature: g.mint.crypto.sign(g.signing, e.message) }, o);
    case "append":
      g.writing = e.entry;
      if (o.plant === "open before the record" && e.entry.kind === "finished") return { type: "appended" };
      if (o.slowWrites === true) return undefined;
      commit(g);
      return { type: "appended" };
    case "append_lazy": g.lazy.push(e.entry); apply(g.book, e.entry, g.journal.length + g.lazy.length); return undefined;
    case "open": g.opened++; return undefined;
    case "show": g.shown.push(e.code); g.since = e.since; return undefined;
    case "ask_owner":
      if (o.plant === "resume at a deaf terminal") return { type: "handover", receipt: e.receipt, code: 0 };
      g.question = { owner: e.owner, receipt: e.receipt, proof: e.proof };
      return undefined;
    case "handover_answer": g.answers.push({ to: e.to, receipt: e.receipt, code: e.code }); return undefined;
    case "nothing_to_show": case "done": return undefined;
  }
}

function later(g: Gate, answer: Input, o: Moment): Input | undefined {
  if (o.slowKeys !== true) return answer;
  g.keyed = answer;
  return undefined;
}
/** The key has answered. */
export function finishKey(g: Gate, o: Moment = {}): void {
  const answer = g.keyed!;
  g.keyed = undefined;
  drive(g, answer, o);
}

/** Lazy entries are durable before the next append. */
function commit(g: Gate): void {
  const entry = g.writing!;
  g.writing = undefined;
  g.journal.push(...g.lazy.splice(0), entry);
  apply(g.book, entry, g.journal.length);
}
/** The append under way is durable, and the verifier hears of it. */
export function finishWrite(g: Gate, o: Moment = {}): void {
  commit(g);
  drive(g, { type: "appended" }, o);
}

/** A handset is heard: the next tap number, a fresh secret. */
export function greet(g: Gate, o: Moment = {}): void {
  if (g.tap >= g.ceiling) {
    g.ceiling = g.tap + 10;
    g.journal.push({ kind: "ceiling", tap: g.ceiling });
    apply(g.book, { kind: "ceiling", tap: g.ceiling }, g.journal.length);
  }
  g.tap++;
  drive(g, { type: "heard", tap: g.tap, secret: freshSecret(g.mint.crypto, `${g.name} tap ${g.tap}`) }, o);
}
const secrets = new Map<string, Uint8Array>();
function freshSecret(crypto: Crypto, word: string): Uint8Array {
  let secret = secrets.get(word);
  if (secret === undefined) {
    secret = secretOf(crypto, word);
    if (secrets.size < 100_000) secrets.set(word, secret);
  }
  return new Uint8Array(secret);
}

/** Memory is gone; what is durable stands, with the append under way if `written`. */
export function powerCut(g: Gate, written: boolean, o: Moment = {}): void {
  const { ladder, statusBits, terminals, onLine, boot } = g.book;
  if (written && g.writing !== undefined) g.journal.push(...g.lazy, g.writing);
  if (o.plant === "journal lost in a power cut") g.journal = g.journal.filter((e) => e.kind !== "finished");
  g.writing = undefined;
  g.keyed = undefined;
  g.lazy = [];
  g.verifier = makeVerifier(g.verifier.settings);
  g.book = Object.assign(makeBook(g.mint.crypto), { ladder, statusBits, terminals, onLine });
  g.out = [];
  g.question = undefined;
  g.answers = [];
  g.journal.push({ kind: "boot", boot: boot + 1, at: start, quality: 2 });
  g.journal.forEach((e, i) => apply(g.book, e, i + 1));
  g.tap = g.ceiling = g.book.ceiling;
}

// ---- handsets ---------------------------------------------------------------------------------------------------------

export interface Kept { receipt: Uint8Array; proof: Uint8Array; certificate: SignedClaims | undefined; state: string; reversal: { reversal: Uint8Array; signature: Uint8Array } | undefined }
export interface Hand {
  mint: Mint;
  holder: Holder;
  /** The value's key, and the value or grant itself. */
  secret: Uint8Array;
  value: Value;
  profile: "A" | "B";
  signed: SignedClaims;
  grantKey: Uint8Array;
  /** Durable, newest last. */
  kept: Kept[];
  intent: number;
  showCertificate: boolean;
  /** Shows this receipt instead of its newest: a copy, or a holder who lies. −1: the newest. −2: none. */
  shows: number;
  known: Record<string, HeldCertificate>;
  /** Terminals that a revocation names, by id. */
  revoked: string[];
  /** A store under way. */
  storing: Kept | undefined;
  /** A signature of the value's key, or the person's answer, under way. */
  waiting: HolderInput | undefined;
  out: Uint8Array[];
  shown: { code: number; since: number; help: number }[];
  /** Said by the last tap. */
  events: string[];
  taps: number;
}

let sold = 0;
/** A value of this kind on a handset; profile B carries a grant carved out of it. */
export function makeHand(mint: Mint, kind: "ticket" | "coupon" | "card", o: { profile?: "A" | "B"; change?: Partial<Value>; name?: string } = {}): Hand {
  const { crypto } = mint;
  const name = o.name ?? `value ${++sold}`;
  const secret = secretOf(crypto, name);
  const profile = o.profile ?? "A";
  const worth = kind === "ticket" ? { unit: unit.uses, most: 1, currency: undefined } : kind === "coupon" ? { unit: unit.uses, most: 3, currency: undefined } : { unit: unit.money, most: 1000, currency: 978 };
  const value: Value = {
    kind, expires: start + 30 * daySeconds, notBefore: start - 3600, valueId: crypto.sha256(utf8("id " + name)).slice(0, 8), holderKey: profile === "A" ? crypto.publicKey(secret)! : none, ...worth,
    zones: [1], rule: encodeRule([]), offline: { uses: 20, amount: 10000, days: 30 }, ownerSequence: 0, flags: (1 << 3) | (1 << 5) | (profile === "B" ? 4 : 0), statusIndex: 5,
    issuerPart: profile === "A" ? new Uint8Array(16) : none, ...o.change,
  };
  return {
    mint, secret, value, profile, signed: signedValue(mint, value), grantKey: profile === "B" ? keyOfGrant(crypto, mint.group, value.valueId) : none, kept: [], intent: intent.use, showCertificate: false,
    shows: -1, known: {}, revoked: [], storing: undefined, waiting: undefined, out: [], shown: [], events: [], taps: 0,
    holder: makeHolder({ certificateKeys: [keyOf(mint, mint.certificates)], silentAmount: 100000, silentUses: 10 }),
  };
}
/** A value under the provider's signature, or a grant under the group's MAC. */
export function signedValue(mint: Mint, value: Value): SignedClaims {
  const claims = encodeValue(value);
  if (value.holderKey.length === 0) return { kid: none, claims, signature: mac8(mint.crypto, mint.group.grantKey, "grant", none, claims) };
  const { kid } = keyOf(mint, mint.values);
  return { kid, claims, signature: mint.crypto.sign(mint.values, valueToSign(kid, claims)) };
}

function heldOf(h: Hand): Held {
  const kept = h.shows === -2 ? undefined : h.kept[h.shows === -1 ? h.kept.length - 1 : h.shows];
  return {
    profile: h.profile, signed: h.signed, value: h.value, key: h.value.valueId, grantKey: h.grantKey, newest: kept && { receipt: kept.receipt, proof: kept.proof, certificate: kept.certificate },
    undone: h.profile === "B" ? undefined : kept?.reversal, intent: kept === undefined ? intent.use : h.intent, showCertificate: h.showCertificate,
  };
}
export const newestOf = (h: Hand): Kept | undefined => h.kept[h.kept.length - 1];
export const counterOf = (h: Hand): number => (h.kept.length === 0 ? 0 : decodeReceipt(newestOf(h)!.receipt)!.counter);

export function ask(h: Hand, input: HolderInput, o: Moment = {}): void {
  const wallet: Wallet = { choose: () => heldOf(h), certificate: (id) => h.known[hex(id)], terminalRevoked: (id) => h.revoked.includes(hex(id)) };
  const queue: HolderInput[] = [input];
  for (let i = 0; i < queue.length; i++) {
    if (i > 20) throw new Error("a step of the holder does not end");
    for (const effect of hold(h.holder, queue[i]!, { nowMs: o.nowMs ?? 0, at: o.at ?? start, quality: o.quality ?? 2, crypto: h.mint.crypto, wallet })) {
      const answer = obey(h, effect, o);
      if (answer !== undefined) queue.push(answer);
    }
  }
}

function obey(h: Hand, e: HolderEffect, o: Moment): HolderInput | undefined {
  if (h.events.length > 64) h.events.shift();
  h.events.push(e.do === "resolved" ? e.outcome : e.do);
  switch (e.do) {
    case "send": h.out.push(e.bytes); return undefined;
    case "sign": return wait(h, { type: "signed", number: e.number, signature: h.mint.crypto.sign(h.secret, e.message) }, o.slowKeys);
    case "store":
      h.storing = { receipt: e.receipt, proof: e.proof, certificate: e.certificate, state: "unresolved", reversal: undefined };
      if (o.plant === "acknowledge before storing") return { type: "stored" };
      if (o.slowWrites === true) return undefined;
      return stored(h);
    case "keep_certificate": h.known[hex(e.id)] = e.certificate; return undefined;
    case "resolved": setState(h, e.counter, e.outcome, undefined); return undefined;
    case "walk_again": setState(h, e.counter, "walk_again", undefined); return undefined;
    case "store_reversal": setState(h, e.counter, "reversed", { reversal: e.reversal, signature: e.proof }); return undefined;
    case "show_certificate": h.showCertificate = true; return undefined;
    case "show": h.shown.push({ code: e.code, since: e.since, help: e.help }); return undefined;
    case "ask_person": return wait(h, { type: "confirmed", yes: true }, o.slowPerson);
    case "done": return undefined;
  }
}
function wait(h: Hand, answer: HolderInput, slow: boolean | undefined): HolderInput | undefined {
  if (slow !== true) return answer;
  h.waiting = answer;
  return undefined;
}
/** Key or person have answered. */
export function finishAsk(h: Hand, o: Moment = {}): void {
  const answer = h.waiting!;
  h.waiting = undefined;
  ask(h, answer, o);
}
function setState(h: Hand, counter: number, state: string, reversal: Kept["reversal"]): void {
  h.kept = h.kept.map((k) => (decodeReceipt(k.receipt)!.counter === counter ? { ...k, state, reversal: reversal ?? k.reversal } : k));
}
function stored(h: Hand): HolderInput {
  h.kept = [...h.kept, h.storing!];
  h.storing = undefined;
  h.showCertificate = false;
  return { type: "stored" };
}
/** The store under way is durable, and the holder's half hears of it. */
export function finishStore(h: Hand, o: Moment = {}): void {
  ask(h, stored(h), o);
}
/** The process is killed: memory is gone, the store under way is there if `written`. */
export function kill(h: Hand, written: boolean): void {
  if (written && h.storing !== undefined) stored(h);
  h.storing = undefined;
  h.waiting = undefined;
  h.out = [];
  h.holder = makeHolder(h.holder.settings);
}

/** Hands the handset a message, as its runtime does: a hello begins, anything else goes on. */
export function hear(h: Hand, bytes: Uint8Array, o: Moment = {}): void {
  if (bytes.length > 1 && bytes[1] === 1) ask(h, { type: "hello", bytes, secret: freshSecret(h.mint.crypto, `${hex(h.value.valueId)} tap ${++h.taps}`) }, o);
  else ask(h, { type: "message", bytes }, o);
}

// ---- a whole tap ------------------------------------------------------------------------------------------------------

/** One message on its way; `change` answers what arrives instead. */
export interface OnTheWay { to: "handset" | "terminal"; index: number; bytes: Uint8Array }
export interface TapOptions extends Moment { change?: (m: OnTheWay) => Uint8Array[]; turns?: boolean; greeted?: boolean; /** Of the handset alone, where its clock is another. */ hand?: Moment }

/** A whole tap: greeting, messages until both are silent, the walk through. Answers everything that was said, in order. */
export function tapOnce(h: Hand, g: Gate, o: TapOptions = {}): OnTheWay[] {
  const said: OnTheWay[] = [];
  g.out = [];
  h.out = [];
  if (o.greeted !== true) greet(g, o);
  talk(h, g, o, said);
  if (g.verifier.state === "open" && o.turns !== false) { drive(g, { type: "turned" }, o); talk(h, g, o, said); }
  return said;
}
/** Carries messages until nobody has anything to say. */
export function talk(h: Hand, g: Gate, o: TapOptions, said: OnTheWay[]): void {
  for (let round = 0; g.out.length + h.out.length > 0; round++) {
    if (round > 60) throw new Error("a tap does not end");
    const to = g.out.length > 0 ? "handset" : "terminal";
    const bytes = (to === "handset" ? g.out : h.out).shift()!;
    const message: OnTheWay = { to, index: said.length, bytes };
    said.push(message);
    for (const arrives of o.change === undefined ? [bytes] : o.change(message)) {
      if (to === "handset") hear(h, arrives, { ...o, ...o.hand }); else drive(g, { type: "message", bytes: arrives }, o);
    }
  }
}
/** Both sides wait in vain until their deadlines are over. */
export function silence(h: Hand, g: Gate, o: Moment = {}): void {
  const late = { ...o, nowMs: 1e9 };
  for (let i = 0; i < 3; i++) { drive(g, { type: "time" }, late); ask(h, { type: "time" }, late); }
  g.out = [];
  h.out = [];
}
