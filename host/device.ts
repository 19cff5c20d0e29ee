/**
 * The device door: one envelope in, one out (S6, `trust.md` §5). Whatever fails before its sender is known gets one and the
 * same answer after the same work. Each letter is taken once; the same letter again gets the stored answer again, the same
 * number with other content is an incident.
 */
import { isBoardEnvelope, takeBoardEnvelope } from "./boards.js";
import { noteIncident, sha256Hex, toHex, fromHex, type Context } from "./context.js";
import { transact, type Tx } from "./database.js";
import type { Broker } from "./handover.js";
import { certificateFor, checkable, compareRecord, takeBatch } from "./intake.js";
import { isStatement, takeStatement } from "./charges/intake.js";
import { acknowledgeSettling, owedBy, settle } from "./charges/settle.js";
import { regrant } from "./grants.js";
import { heldKeys } from "./groups.js";
import { redeem } from "./invitations.js";
import { fetchParts } from "./issuers.js";
import { openLetter, sealTo, type Letter } from "./letter.js";
import { briefTypes, isAboutOrders, prepareOrderLetter } from "./orders/door.js";
import { noteDelivered } from "./orders/pick-up.js";
import { enrolHandset } from "./people.js";
import { deliver, offersFor, type Keeper } from "./products.js";
import { refreshValue } from "./refresh.js";
import { revocations } from "./suspension.js";
import { statement } from "./statement.js";
import { newsFor } from "./status.js";
import { learnCertificate, renew, type TerminalRow } from "./terminals.js";
import { certificateId } from "../protocol/wire/certificate.js";
import { decodeMessage, verifyMessage, type Message } from "../protocol/wire/envelope.js";
import { decodeSigned, keyId } from "../protocol/wire/signed.js";
import * as handsetLetters from "../protocol/wire/handset-letters.js";
import { decodeSettleAcknowledged, decodeSettling, encodeOwed, encodeSettleAnswer, settleType } from "../protocol/wire/settle.js";
import { encodeGroupKeys } from "../protocol/wire/group-keys.js";
import * as w from "../protocol/wire/sync.js";
import { encodeTime } from "../protocol/wire/trust.js";

const none = new Uint8Array(0);
const recordDays = 400;
/** What fits an envelope with a configuration beside it. */
const newsBytesMost = 48 * 1024;
const requestOldSeconds = 600;
const requestAheadSeconds = 120;
/** Good at any age: evidence and renewals. All else is a request. */
const records = new Set<number>([w.messageType.records, w.messageType.renew, w.messageType.report]);

/** Who sent a letter, once its signature held. */
type Sender = { kind: "terminal"; row: TerminalRow; agreementKey: Uint8Array } | { kind: "handset"; userId: string; agreementKey: Uint8Array };

/** Counts what came of envelopes, for the metrics. */
export type Count = (result: "taken" | "repeated" | "refused" | "limited") => void;
/** False for a sender that asks too often. */
export type Admit = (kid: string, type: number) => boolean;

/** Answers the envelope for the sender, or undefined: say nothing but 400. */
export async function takeEnvelope(c: Context, broker: Broker, bytes: Uint8Array, count: Count, admit: Admit = () => true): Promise<Uint8Array | undefined> {
  if (isStatement(bytes)) return await takeMeter(c, bytes, count);
  if (isBoardEnvelope(bytes)) return await takeBoardEnvelope(c, bytes, count, admit);
  const letter = openLetter(c, bytes);
  const sender = letter === undefined ? undefined : await senderOf(c, letter);
  const message = letter === undefined || sender === undefined ? undefined : verifyMessage(c.crypto, letter.signed, [{ kid: letter.kid, publicKey: sender.key }], letter.recipient);
  if (sender === undefined) sameWork(c);
  if (letter === undefined || sender === undefined || message === undefined) { count("refused"); return undefined; }
  if (!admit(toHex(letter.kid), message.type)) { count("limited"); return undefined; }
  if (isWaiting(message.type)) return await relay(c, broker, sender.sender, message, letter, count);
  return await takeOnce(c, sender.sender, message, letter, count);
}

/** A meter's statement carries its own proof and no number: what it says counts once, whoever brings it, and is answered anew. */
async function takeMeter(c: Context, bytes: Uint8Array, count: Count): Promise<Uint8Array | undefined> {
  const answer = await takeStatement(c, bytes);
  if (answer === undefined) sameWork(c);
  count(answer === undefined ? "refused" : "taken");
  return answer;
}

/** What the letter asks for, its answer and its number become durable together, or none of them does. */
async function takeOnce(c: Context, sender: Sender, m: Message, letter: Letter, count: Count): Promise<Uint8Array | undefined> {
  const known = await knownLetter(c.db, letter, m);
  const act = known === undefined && isFresh(c, m) ? await prepare(c, sender, m, letter.kid) : () => Promise.resolve(none);
  const done = await transact(c.db, async (tx) => {
    const before = known ?? (await knownLetter(tx, letter, m));
    if (before !== undefined) return await repeated(c, tx, letter, m, before);
    const body = await act(tx);
    const answer = await sealFor(c, tx, letter.kid, await answerKey(tx, sender, m), m, body);
    await keepLetter(c, tx, letter, m, answer);
    return { result: "taken" as const, answer };
  });
  count(done.result);
  return done.answer.length === 0 ? undefined : done.answer;
}

/** A terminal's letter may have shown a newer key than was known when it was opened. */
async function answerKey(tx: Tx, sender: Sender, m: Message): Promise<Uint8Array> {
  if (sender.kind !== "terminal" || m.certificate === undefined) return sender.agreementKey;
  const row = await tx.selectFrom("terminal").select("agreement_key").where("terminal_id", "=", sender.row.terminal_id).executeTakeFirstOrThrow();
  return fromHex(row.agreement_key!);
}

type KnownLetter = { digest: string; answer: Uint8Array };
const letterOf = statement((tx, x: { sender: string; sequence: number }) => tx.selectFrom("letter").select(["digest", "answer"]).where("sender", "=", x.sender).where("sequence", "=", x.sequence));
const knownLetter = async (tx: Tx, letter: Letter, m: Message): Promise<KnownLetter | undefined> => (await letterOf(tx, { sender: toHex(letter.kid), sequence: m.sequence }))[0];

async function repeated(c: Context, tx: Tx, letter: Letter, m: Message, known: KnownLetter): Promise<{ result: "repeated"; answer: Uint8Array }> {
  if (known.digest === sha256Hex(letter.signed)) return { result: "repeated", answer: new Uint8Array(known.answer) };
  await noteIncident(tx, "two letters with one number", toHex(letter.kid), `sequence ${m.sequence}`, c.now());
  return { result: "repeated", answer: none };
}

/** Handovers are answered while somebody waits, and never again: a copied poll would take the owner's questions away. */
async function relay(c: Context, broker: Broker, sender: Sender, m: Message, letter: Letter, count: Count): Promise<Uint8Array | undefined> {
  const isNew = await transact(c.db, async (tx) => {
    if ((await knownLetter(tx, letter, m)) !== undefined) return false;
    await keepLetter(c, tx, letter, m, none);
    return true;
  });
  count(isNew ? "taken" : "repeated");
  if (!isNew) return undefined;
  const body = sender.kind === "terminal" && isFresh(c, m) ? await handedOver(c, broker, sender.row, m) : none;
  return await transact(c.db, (tx) => sealFor(c, tx, letter.kid, sender.agreementKey, m, body));
}

const terminalByKid = statement((tx, x: { kid: string }) => tx.selectFrom("terminal").selectAll().where("identity_kid", "=", x.kid));
const handsetByKid = statement((tx, x: { kid: string }) => tx.selectFrom("handset").selectAll().where("kid", "=", x.kid));
async function senderOf(c: Context, letter: Letter): Promise<{ sender: Sender; key: Uint8Array } | undefined> {
  const kid = toHex(letter.kid);
  const [t] = await terminalByKid(c.db, { kid });
  if (t !== undefined && t.agreement_key !== null) return { sender: { kind: "terminal", row: t, agreementKey: fromHex(t.agreement_key) }, key: fromHex(t.identity_key!) };
  const [h] = await handsetByKid(c.db, { kid });
  if (h !== undefined && h.revoked === 0) return { sender: { kind: "handset", userId: h.user_id, agreementKey: fromHex(h.agreement_key) }, key: fromHex(h.signing_key) };
  if (h !== undefined) return undefined;
  const enrolment = enrolmentIn(c, letter.signed);
  return enrolment === undefined ? undefined : { sender: { kind: "handset", userId: "", agreementKey: enrolment.agreementKey }, key: enrolment.signingKey };
}

/** A first letter is signed by the key that it names. */
function enrolmentIn(c: Context, signed: Uint8Array): handsetLetters.HandsetEnrolment | undefined {
  const object = decodeSigned(signed);
  const message = object === undefined ? undefined : decodeMessage(object.claims);
  const x = message === undefined || message.type !== w.messageType.enrolHandset ? undefined : handsetLetters.decodeHandsetEnrolment(message.body);
  return x !== undefined && toHex(keyId(c.crypto, x.signingKey)) === toHex(object!.kid) && c.crypto.coordinates(x.agreementKey) !== undefined ? x : undefined;
}

/** A request by a clock that can be trusted is at most ten minutes old; records are good for 400 days. */
function isFresh(c: Context, m: Message): boolean {
  if (records.has(m.type)) return m.quality < 2 || m.at > c.now() - recordDays * 86_400;
  return m.quality < 2 || (m.at > c.now() - requestOldSeconds && m.at < c.now() + requestAheadSeconds);
}
/** Read again or refused by its age, so a copy of it can do nothing. */
const brief = new Set<number>([...briefTypes, w.messageType.pull, w.messageType.handoverAsk, w.messageType.handoverWait, w.messageType.collect, w.messageType.enrolHandset, settleType.owed]);
const isWaiting = (type: number) => type === w.messageType.handoverWait || type === w.messageType.handoverAsk;

/** A signature of the right form that nothing verifies. */
const noSignature = new Uint8Array(64).fill(1);
/** A verification with a fixed key stands in for the one that a known sender would have cost. */
function sameWork(c: Context): void {
  c.crypto.verify(c.keys.publicKey("envelope"), new Uint8Array(64), noSignature);
}

const lettersEnd = statement((tx, x: { now: number }) => tx.deleteFrom("letter").where("keep_until", "<", x.now));
const letterTaken = statement((tx, x: { sender: string; sequence: number; digest: string; answer: Uint8Array; until: number }) =>
  tx.insertInto("letter").values({ sender: x.sender, sequence: x.sequence, digest: x.digest, answer: x.answer, keep_until: x.until }));
/** Records are kept as long as a courier may need; what only reads, or is refused by its age, a day. */
async function keepLetter(c: Context, tx: Tx, letter: Letter, m: Message, answer: Uint8Array): Promise<void> {
  const days = brief.has(m.type) ? 1 : recordDays;
  await lettersEnd(tx, { now: c.now() });
  await letterTaken(tx, { sender: toHex(letter.kid), sequence: m.sequence, digest: sha256Hex(letter.signed), answer, until: c.now() + days * 86_400 });
}

const sealFor = (c: Context, tx: Tx, to: Uint8Array, agreementKey: Uint8Array, m: Message, body: Uint8Array): Promise<Uint8Array> =>
  sealTo(c, tx, agreementKey, m.type + w.answerBit, body, { sequence: m.sequence, kid: to });

// ---- what each type means -------------------------------------------------------------------------------------------------

/** What to do in the letter's transaction; slow work, as hashing a password, is done before it. */
async function prepare(c: Context, sender: Sender, m: Message, kid: Uint8Array): Promise<(tx: Tx) => Promise<Uint8Array>> {
  if (m.type === w.messageType.collect && sender.kind === "handset" && sender.userId !== "") await fetchParts(c, sender.userId);
  if (isAboutOrders(m.type)) return await aboutOrders(c, sender, m, kid);
  if (sender.kind === "terminal") return (tx) => fromTerminal(c, tx, sender.row.terminal_id, m);
  if (m.type === w.messageType.enrolHandset) {
    const x = handsetLetters.decodeHandsetEnrolment(m.body);
    const enrol = x === undefined ? undefined : await enrolHandset(c, x, kid);
    return async (tx) => (enrol === undefined ? none : handsetLetters.encodeHandsetEnrolled(await enrol(tx)));
  }
  const settling = m.type === settleType.settle && sender.userId !== "" ? decodeSettling(m.body) : undefined;
  if (settling !== undefined) {
    const act = await settle(c, sender.userId, settling);
    return async (tx) => encodeSettleAnswer(await act(tx));
  }
  return (tx) => (sender.userId === "" ? Promise.resolve(none) : fromHandset(c, tx, sender.userId, toHex(kid), m));
}

/** A suspended terminal orders nothing, as it earns nothing. */
async function aboutOrders(c: Context, sender: Sender, m: Message, kid: Uint8Array): Promise<(tx: Tx) => Promise<Uint8Array>> {
  if (sender.kind === "terminal" ? sender.row.suspended !== 0 : sender.userId === "") return () => Promise.resolve(none);
  return await prepareOrderLetter(c, sender.kind === "terminal" ? { terminal: sender.row.terminal_id } : { handset: toHex(kid), user: sender.userId }, m.type, m.body);
}

async function handedOver(c: Context, broker: Broker, t: TerminalRow, m: Message): Promise<Uint8Array> {
  if (t.suspended !== 0) return none;
  if (m.type === w.messageType.handoverWait) {
    const x = w.decodeHandoverWait(m.body);
    return x === undefined ? none : w.encodeHandoverQuestion(await broker.wait(t.terminal_id, x));
  }
  const x = w.decodeHandoverAsk(m.body);
  return x === undefined ? none : w.encodeHandoverCode({ code: await askOwner(c, broker, t, x) });
}

/** The terminal's row is read anew: what was read before the transaction may be older than another worker's. */
async function fromTerminal(c: Context, tx: Tx, terminalId: string, m: Message): Promise<Uint8Array> {
  const t = await tx.selectFrom("terminal").selectAll().where("terminal_id", "=", terminalId).executeTakeFirstOrThrow();
  const batch = m.type === w.messageType.records ? w.decodeBatch(m.body) : undefined;
  if (batch !== undefined) {
    const shows = m.certificate !== undefined && (await learnCertificate(c, tx, t, m.certificate));
    return w.encodeBatchTaken({ through: await takeBatch(c, tx, t, shows ? await checkable(tx, batch) : batch) });
  }
  const renewal = m.type === w.messageType.renew ? w.decodeRenewal(m.body) : undefined;
  if (renewal !== undefined) return await renew(c, tx, t, renewal);
  if (m.type === w.messageType.collect && handsetLetters.decodeCollect(m.body) === "") return handsetLetters.encodeOffers(await offersFor(tx, { terminal: terminalId }, null));
  const keys = m.type === w.messageType.deliver ? handsetLetters.decodeOfferKeys(m.body) : undefined;
  if (keys !== undefined) return handsetLetters.encodeDelivered(t.suspended === 0 ? await handOut(c, tx, { terminal: terminalId }, null, keys) : []);
  const pull = m.type === w.messageType.pull ? w.decodePull(m.body) : undefined;
  return pull === undefined ? none : await news(c, tx, t, pull);
}

/** Certified to the keys named for them; what was ordered is delivered with that. */
async function handOut(c: Context, tx: Tx, keeper: Keeper, handset: string | null, keys: readonly handsetLetters.OfferKey[]): Promise<handsetLetters.Delivered[]> {
  const delivered = await deliver(c, tx, keeper, handset, keys);
  await noteDelivered(c, tx, delivered.map((d) => d.valueId));
  return delivered.map((d) => d.delivered);
}

async function news(c: Context, tx: Tx, t: TerminalRow, pull: w.Pull): Promise<Uint8Array> {
  const { list, deltas } = await newsFor(c, tx, pull.list, pull.digest);
  const roles = [...c.keys.roles, ...(await revocations(c, tx))];
  const certificates = await certificatesAfter(c, tx, pull.knownTerminals, newsBytesMost - sizeOf([list, ...deltas, ...roles]));
  await tx.updateTable("terminal").set({ seen_at: c.now() }).where("terminal_id", "=", t.terminal_id).execute();
  return w.encodeNews({
    time: c.keys.signed("time", "status", encodeTime({ issuer: c.keys.provider, at: c.now(), nonce: pull.nonce })),
    configuration: t.configuration_number > pull.configuration ? new Uint8Array(t.configuration) : none, list, deltas, roles,
    terminals: certificates.map((x) => new Uint8Array(x.bytes)), terminalsNumber: certificates.at(-1)?.number ?? pull.knownTerminals,
    group: t.group_number === 0 || t.suspended !== 0 ? none : encodeGroupKeys((await heldKeys(c, tx, t.group_number))[0]!),
  });
}

const sizeOf = (items: readonly Uint8Array[]): number => items.reduce((sum, x) => sum + x.length + 4, 0);

/** Certificates that somebody may still show a receipt of, from this number on, as many as fit. */
async function certificatesAfter(c: Context, tx: Tx, number: number, room: number): Promise<{ number: number; bytes: Uint8Array }[]> {
  const rows = await tx.selectFrom("certificate").select(["number", "bytes"]).where("number", ">", number).where("expires", ">", c.now() - recordDays * 86_400).orderBy("number").limit(100).execute();
  let left = room;
  return rows.filter((x) => (left -= x.bytes.length + 4) >= 0);
}

async function askOwner(c: Context, broker: Broker, t: TerminalRow, x: w.HandoverAsk): Promise<number> {
  const made = await certificateFor(c.db, x.owner);
  const owner = made?.terminalId ?? toHex(x.owner);
  const own = w.decodeSignedClaims(new Uint8Array(t.certificate!));
  return await broker.ask(owner, own === undefined ? fromHex(t.terminal_id) : certificateId(c.crypto, own.claims), x);
}

async function fromHandset(c: Context, tx: Tx, userId: string, kid: string, m: Message): Promise<Uint8Array> {
  switch (m.type) {
    case w.messageType.collect: {
      const code = handsetLetters.decodeCollect(m.body);
      if (code === undefined) return none;
      if (code !== "") await redeem(c, tx, userId, code);
      return handsetLetters.encodeOffers(await offersFor(tx, { user: userId }, kid));
    }
    case w.messageType.deliver: {
      const keys = handsetLetters.decodeOfferKeys(m.body);
      return keys === undefined ? none : handsetLetters.encodeDelivered(await handOut(c, tx, { user: userId }, kid, keys));
    }
    case w.messageType.refresh: {
      const x = handsetLetters.decodeRefresh(m.body);
      return x === undefined ? none : handsetLetters.encodeRefreshed(await refreshValue(c, tx, userId, x));
    }
    case w.messageType.regrant: {
      const x = handsetLetters.decodeRegrant(m.body);
      return x === undefined ? none : handsetLetters.encodeRegranted(await regrant(c, tx, userId, x));
    }
    case w.messageType.report: {
      const list = handsetLetters.decodeReport(m.body);
      const states: number[] = [];
      for (const record of list ?? []) states.push(await compareRecord(c, tx, record));
      return handsetLetters.encodeReported(states);
    }
    case settleType.owed: return encodeOwed(await owedBy(tx, userId));
    case settleType.settled: {
      const x = decodeSettleAcknowledged(m.body);
      return x === undefined ? none : encodeSettleAnswer(await acknowledgeSettling(c, tx, userId, x));
    }
    default: return none;
  }
}
