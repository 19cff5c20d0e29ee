/**
 * Sync over the network road: records up exactly once, news down, the certificate renewed, handovers asked and answered
 * (`design.md` §8, `trust.md` §2, decision 5). It says which letter to post next and reads the answers; whoever posts them
 * (HTTP on a Pi, a courier later) may lose, repeat or delay them.
 *
 * Three slots, each with one letter outstanding: *talk* (records, news, renewal), *ask* (may I finish this receipt?) and
 * *wait* (the long poll on which the host asks us).
 */
import { readAnswer, writeLetter, type Correspondent, type Letter } from "./letters.js";
import { newestOf } from "./trust.js";
import { firstKept, flush, readFrom } from "../journal/journal.js";
import { attempt, endService, need, noteIncident, timeOf, yieldTo } from "../keeping.js";
import { isPlausible, keepNumbers, raiseFloor } from "../kept.js";
import { keepTerminals, keptCertificate, listDigest, takeCertificate, takeConfiguration, takeDelta, takeGroup, takeList, takeRoles } from "../setup.js";
import { drive, setupChanged, type Terminal } from "../terminal.js";
import { heardThrough } from "../value/book.js";
import { limits } from "../../protocol/limits.js";
import { openSigned } from "../../protocol/wire/signed.js";
import {
  decodeBatchTaken, decodeHandoverCode, decodeHandoverQuestion, decodeNews, decodeSignedClaims, encodeBatch, encodeHandoverAsk, encodeHandoverWait, encodePull, encodeRenewal,
  encodeSignedClaims,
  messageType, type News,
} from "../../protocol/wire/sync.js";
import { decodeTime } from "../../protocol/wire/trust.js";
import { decodeTerminalCertificate } from "../../protocol/wire/certificate.js";
import { signerNamedIn } from "../../protocol/wire/entry.js";
import { equal } from "../../protocol/wire/bytes.js";
import { signersFor } from "./trust.js";

export type Slot = "talk" | "ask" | "wait";
export const slots: readonly Slot[] = ["talk", "ask", "wait"];

interface Outstanding { letter: Letter; atMs: number; nonce: Uint8Array }

export interface Sync {
  readonly terminal: Terminal;
  readonly who: Correspondent;
  outstanding: Record<Slot, Outstanding | undefined>;
  /** A slot rests until then after a failure. */
  notBeforeMs: Record<Slot, number>;
  failures: Record<Slot, number>;
  nextPullMs: number;
  /** Answers in a row that moved nothing, because the host lacks what was given back here; records rest until then, and nothing else does. */
  unmoved: number;
  recordsNotBeforeMs: number;
  /** News that could not be taken, in a row: the next pull waits longer each time. */
  poorNews: number;
  /** The host is to be asked how far it has our records: after a start and after it was away, because it may have been restored. */
  askMark: boolean;
  /** No renewal before this: one that was answered is followed by a rest, whatever the answer and whatever the clock says. */
  renewNotBeforeMs: number;
  /** The host's question we answer with the next *wait*. */
  questionNumber: number;
  answerCode: number;
  /** The receipt that our question to its owner is about. */
  asked: Uint8Array;
  /** Sets the machine's clock from the host's signed answer to our own nonce; quality 3. */
  onTime: ((at: number) => void) | undefined;
}

const pullEveryMs = 5000;
const retryMs = 1000;
const retryMostMs = 60000;
/** Behind a renewal that was answered. A clock far ahead calls each new certificate old. */
const renewalRestMs = 3600000;

export function makeSync(terminal: Terminal): Sync {
  const board = terminal.board;
  const setup = terminal.setup;
  // The host seals to the newest key it certified: when the answer that said so was lost, that is one still waiting here.
  const who: Correspondent = {
    crypto: board.crypto, keys: board.keys, random: board.random, trust: setup.trust, signer: "identity", openers: ["agreement", "agreement-next", "agreement-old"],
    next: setup.sequenceCeiling, ceiling: setup.sequenceCeiling,
    reserve: (ceiling) => { setup.sequenceCeiling = ceiling; keepNumbers(setup); },
  };
  attempt(terminal, () => adoptKeys(terminal));
  return {
    terminal: terminal, who: who, outstanding: { talk: undefined, ask: undefined, wait: undefined }, notBeforeMs: { talk: 0, ask: 0, wait: 0 }, failures: { talk: 0, ask: 0, wait: 0 },
    nextPullMs: 0, unmoved: 0, recordsNotBeforeMs: 0, poorNews: 0, askMark: true, renewNotBeforeMs: 0, questionNumber: 0, answerCode: 0, asked: new Uint8Array(0), onTime: undefined,
  };
}

/** The next letter of a slot, or undefined while one is outstanding or there is nothing to say. */
export function nextLetter(s: Sync, slot: Slot): Uint8Array | undefined {
  const now = s.terminal.board.clock.monotonicMs();
  if (s.outstanding[slot] !== undefined || now < s.notBeforeMs[slot] || newestOf(s.who.trust, "envelope") === undefined) return undefined;
  const nonce = attempt(s.terminal, () => s.terminal.board.random.fill(8));
  const letter = nonce === undefined ? undefined : attempt(s.terminal, () => (slot === "talk" ? talk(s, now, nonce) : slot === "ask" ? ask(s) : wait(s)));
  if (letter === undefined || nonce === undefined) return undefined;
  s.outstanding[slot] = { letter: letter, atMs: now, nonce: nonce };
  return letter.bytes;
}

function post(s: Sync, type: number, body: Uint8Array, certificate?: Uint8Array): Letter | undefined {
  const time = timeOf(s.terminal);
  return writeLetter(s.who, type, body, time.at, time.quality, certificate);
}

/** Records first: they are money, unless the host can do nothing with them. Then news, and in its time a new certificate. */
function talk(s: Sync, now: number, nonce: Uint8Array): Letter | undefined {
  const t = s.terminal;
  if (s.askMark || (t.confirmed + 1 < t.journal.next && now >= s.recordsNotBeforeMs)) return records(s);
  if (isRenewalDue(s, now)) return renew(s);
  if (now < s.nextPullMs) return undefined;
  const setup = t.setup;
  const body = encodePull({
    configuration: setup.configuration === undefined ? 0 : setup.configuration.number, list: setup.listNumber, digest: listDigest(setup), nonce: nonce,
    knownTerminals: setup.terminalsNumber,
  });
  // It asks for the time as well: a clock that nobody signed does not vouch for itself, or one set wrongly would be refused for ever.
  const time = timeOf(t);
  return writeLetter(s.who, messageType.pull, body, time.quality === 3 ? time.at : 0, time.quality === 3 ? 3 : 0);
}

/** What is durable after the last confirmed entry, or nothing: then the answer says how far the host is. */
function records(s: Sync): Letter | undefined {
  const t = s.terminal;
  if (t.journal.fault === undefined) flush(t.journal);
  const first = Math.max(t.confirmed + 1, firstKept(t.journal));
  // Where a sync failed, what was not durable before may be gone after the restart: the host must not have it.
  const durable = t.journal.next - t.journal.unsynced - first;
  const none = { first: first, entries: [], head: t.journal.head };
  const batch = durable > 0 ? readFrom(t.journal, first, Math.min(limits.batchEntriesMax, durable), limits.envelopeBytesMax / 2) : none;
  const body = encodeBatch({ boot: t.book.boot, first: batch.first, entries: batch.entries, head: batch.entries.length === 0 ? t.journal.head : batch.head });
  return post(s, messageType.records, body, shownWith(s, batch.entries));
}

/**
 * A certificate to show with these records, because a host that was restored from a backup has forgotten it: the one that the
 * first record names, or undefined where that is not kept. Whether the host can answer us at all comes first: while we ask how
 * far it is, we show our own, which says to whom its answers are sealed.
 */
function shownWith(s: Sync, entries: readonly Uint8Array[]): Uint8Array | undefined {
  const setup = s.terminal.setup;
  if (!s.askMark) {
    for (const bytes of entries) {
      const id = signerNamedIn(bytes);
      if (id !== undefined) return keptCertificate(setup, id);
    }
  }
  const own = setup.certificate;
  return own === undefined ? undefined : encodeSignedClaims(own.signed.kid, own.signed.claims, own.signed.signature);
}

/** From half of the certificate's life on (`trust.md` §9), once an hour at most. */
function isRenewalDue(s: Sync, now: number): boolean {
  const c = s.terminal.setup.certificate;
  const time = timeOf(s.terminal);
  if (c === undefined || time.quality === 0 || now < s.renewNotBeforeMs) return false;
  return time.at > c.decoded.notBefore + (c.decoded.expires - c.decoded.notBefore) / 2;
}

/** New keys under names of their own until the certificate for them has come. A repeated renewal offers the same keys. */
function renew(s: Sync): Letter | undefined {
  const board = s.terminal.board;
  const setup = s.terminal.setup;
  const signing = keyOr(s, "signing-next");
  const agreement = keyOr(s, "agreement-next");
  if (signing === undefined || agreement === undefined || board.keys.publicKey("identity") === undefined) return undefined;
  return post(s, messageType.renew, encodeRenewal({ counter: setup.renewalCounter + 1, signingKey: signing, agreementKey: agreement }));
}
function keyOr(s: Sync, name: string): Uint8Array | undefined {
  const held = s.terminal.board.keys.publicKey(name);
  return held === undefined ? s.terminal.board.keys.make(name) : held;
}

function ask(s: Sync): Letter | undefined {
  const question = s.terminal.question;
  s.terminal.question = undefined;
  if (question !== undefined) s.asked = question.receipt;
  return question === undefined ? undefined : post(s, messageType.handoverAsk, encodeHandoverAsk(question));
}

function wait(s: Sync): Letter | undefined {
  return post(s, messageType.handoverWait, encodeHandoverWait({ number: s.questionNumber, code: s.answerCode }));
}

// ---- answers ---------------------------------------------------------------------------------------------------------------

/** The host's answer to the letter of a slot. Anything that is not exactly that counts as a failure. */
export function takeAnswer(s: Sync, slot: Slot, bytes: Uint8Array): boolean {
  const out = s.outstanding[slot];
  const m = out === undefined ? undefined : readAnswer(s.who, out.letter, bytes);
  if (out === undefined || m === undefined) { failed(s, slot); return false; }
  s.outstanding[slot] = undefined;
  s.terminal.book.onLine = true;
  // A medium that fails while an answer is taken ends the service; the answer is asked for again after the restart.
  const taken = need(s.terminal, () => take(s, out, m.body));
  if (s.notBeforeMs[slot] <= s.terminal.board.clock.monotonicMs()) s.failures[slot] = 0;
  return taken;
}

function take(s: Sync, out: Outstanding, body: Uint8Array): void {
  switch (out.letter.type) {
    case messageType.records: confirmThrough(s, body); break;
    case messageType.pull: takeNews(s, body, out); break;
    case messageType.renew: takeRenewed(s, body); break;
    case messageType.handoverAsk: takeCode(s, body); break;
    case messageType.handoverWait: takeQuestion(s, body, out); break;
  }
}

/** Nobody answered, or not well: the slot rests, longer each time. The letter is not posted again; what it said is said anew. */
export function failed(s: Sync, slot: Slot): void {
  const out = s.outstanding[slot];
  s.outstanding[slot] = undefined;
  s.terminal.book.onLine = false;
  if (slot === "talk") s.askMark = true;
  rest(s, slot);
  if (slot === "ask" && out !== undefined) drive(s.terminal, { type: "handover", receipt: s.asked, code: -1 });
}

/** Twice as long each time, and by half of it at random, so that many terminals do not come back in one moment. */
function rest(s: Sync, slot: Slot): void {
  s.notBeforeMs[slot] = s.terminal.board.clock.monotonicMs() + atRandom(s, longer(s.failures[slot]));
  s.failures[slot]++;
}

function longer(times: number): number {
  let longest = retryMs;
  for (let i = 0; i < times && longest < retryMostMs; i++) longest *= 2;
  return Math.min(retryMostMs, longest);
}

/** Between half of `most` and all of it. */
function atRandom(s: Sync, most: number): number {
  const drawn = attempt(s.terminal, () => s.terminal.board.random.fill(2));
  const share = drawn === undefined ? 0 : (drawn[0]! * 256 + drawn[1]!) / 65536;
  return Math.floor(most / 2 + share * (most / 2));
}

/** How far the host has our records. Behind what it once confirmed, it was restored from a backup, and is told again. */
function confirmThrough(s: Sync, body: Uint8Array): void {
  const taken = decodeBatchTaken(body);
  const t = s.terminal;
  if (taken === undefined) return;
  if (taken.through >= t.journal.next) { rest(s, "talk"); endService(t, "The host has more entries of this terminal than its journal: the journal was cut or exchanged, call the operator."); return; }
  s.askMark = false;
  const kept = Math.max(taken.through, firstKept(t.journal) - 1);
  // Records that it needs were given back here: nothing gets better by asking at once, and news must not wait for that.
  const isMoved = kept === taken.through && (kept !== t.confirmed || kept + 1 >= t.journal.next);
  s.unmoved = isMoved ? 0 : s.unmoved + 1;
  s.recordsNotBeforeMs = isMoved ? 0 : t.board.clock.monotonicMs() + atRandom(s, longer(s.unmoved - 1));
  if (kept === t.confirmed) return;
  t.confirmed = kept;
  t.setup.confirmed = kept;
  heardThrough(t.book, kept, t.journal.next);
  keepNumbers(t.setup);
}

/** Each object is believed for its own signature; what cannot be taken is left for the next time, and then nothing counts as fresh. */
function takeNews(s: Sync, body: Uint8Array, out: Outstanding): void {
  const news = decodeNews(body);
  if (news === undefined) { pullAgain(s, false); return; }
  const t = s.terminal;
  const setup = t.setup;
  takeRoles(setup, news.roles);
  const configured = news.configuration.length === 0 ? setup.configuration !== undefined : takeConfiguration(setup, news.configuration);
  const current = takeStatus(s, news) && configured;
  if (news.group.length > 0) takeGroup(setup, news.group);
  if (news.terminals.length > 0) keepTerminals(setup, news.terminals, news.terminalsNumber);
  const at = signedTime(s, news, out);
  if (at > 0 && raiseFloor(setup, at) && current && at > setup.pulledAt) setup.pulledAt = at;
  keepNumbers(setup);
  noteIncidents(s);
  pullAgain(s, current);
  setupChanged(t);
}

/** News that led to what the host has are asked for in a while; others soon, and then ever later. */
function pullAgain(s: Sync, current: boolean): void {
  s.poorNews = current ? 0 : s.poorNews + 1;
  const wait = current ? pullEveryMs : Math.min(retryMostMs, retryMs * (s.poorNews - 1));
  s.nextPullMs = s.terminal.board.clock.monotonicMs() + atRandom(s, wait);
}

/** True when list or deltas left us with what the host has. */
function takeStatus(s: Sync, news: News): boolean {
  const setup = s.terminal.setup;
  for (const delta of news.deltas) if (!takeDelta(setup, delta)) return false;
  if (news.list.length > 0 && !takeList(setup, news.list, (packed, most) => s.terminal.board.inflate(packed, most))) return false;
  return setup.statusBits !== undefined;
}

/** The time of the status key, 0 for none. Back within ten minutes with our nonce it may set the clock. */
function signedTime(s: Sync, news: News, out: Outstanding): number {
  const claims = openSigned(s.who.crypto, news.time, "time", signersFor(s.who.trust, "status"));
  const time = claims === undefined ? undefined : decodeTime(claims);
  if (time === undefined) return 0;
  const quick = s.terminal.board.clock.monotonicMs() - out.atMs < 600000;
  const ours = quick && time.nonce !== undefined && equal(time.nonce, out.nonce);
  if (ours && isPlausible(s.terminal.setup, time.at)) {
    yieldTo(s.terminal, time.at, news.time);
    if (s.onTime !== undefined) s.onTime(time.at);
  }
  return time.at;
}

function noteIncidents(s: Sync): void {
  const t = s.terminal;
  for (const incident of t.setup.incidents) if (!noteIncident(t, incident.what, incident.first, incident.second)) return;
  t.setup.incidents = [];
}

/** The certificate for the keys we offered: they take the place of the old ones, and the old agreement key still opens letters. */
function takeRenewed(s: Sync, body: Uint8Array): void {
  const keys = s.terminal.board.keys;
  const setup = s.terminal.setup;
  s.renewNotBeforeMs = s.terminal.board.clock.monotonicMs() + renewalRestMs;
  const signed = decodeSignedClaims(body);
  const decoded = signed === undefined ? undefined : decodeTerminalCertificate(signed.claims);
  const signing = keys.publicKey("signing-next");
  const agreement = keys.publicKey("agreement-next");
  if (decoded === undefined || signing === undefined || agreement === undefined) return;
  if (!equal(decoded.signingKey, signing) || !equal(decoded.agreementKey.subarray(1), agreement.subarray(1))) return;
  // The counter first: a cut behind it renews once more; a counter used again with new keys would look like two boxes.
  setup.renewalCounter++;
  keepNumbers(setup);
  if (!takeCertificate(setup, body)) return;
  s.terminal.adopt = () => adoptKeys(s.terminal);
  setupChanged(s.terminal);
}

/** Makes the keys of the certificate held the ones in use; also after a cut between certificate and keys. */
export function adoptKeys(t: Terminal): void {
  const keys = t.board.keys;
  const c = t.setup.certificate;
  if (c === undefined) return;
  const signing = keys.publicKey("signing-next");
  if (signing !== undefined && equal(signing, c.decoded.signingKey)) keys.rename("signing-next", "signing");
  const agreement = keys.publicKey("agreement-next");
  if (agreement === undefined || !equal(agreement.subarray(1), c.decoded.agreementKey.subarray(1))) return;
  if (keys.publicKey("agreement") !== undefined) keys.rename("agreement", "agreement-old");
  keys.rename("agreement-next", "agreement");
}

// ---- handover -----------------------------------------------------------------------------------------------------------------

function takeCode(s: Sync, body: Uint8Array): void {
  const said = decodeHandoverCode(body);
  drive(s.terminal, { type: "handover", receipt: s.asked, code: said === undefined ? -1 : said.code });
}

/**
 * The host asks for another terminal: the verifier answers at once, durably if it gives. An empty word long before its time
 * means that somebody else polls in our name: no hurry, or the two of us chase each other.
 */
function takeQuestion(s: Sync, body: Uint8Array, out: Outstanding): void {
  const q = decodeHandoverQuestion(body);
  s.questionNumber = 0;
  if (q === undefined || q.number === 0) {
    if (s.terminal.board.clock.monotonicMs() - out.atMs < retryMs) rest(s, "wait");
    return;
  }
  const t = s.terminal;
  t.handoverAnswers = [];
  drive(t, { type: "handover_asked", by: q.by, receipt: q.receipt, proof: q.proof });
  const answer = t.handoverAnswers[0];
  s.questionNumber = q.number;
  s.answerCode = answer === undefined ? 2 : answer.code;
}
