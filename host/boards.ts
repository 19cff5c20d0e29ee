/**
 * Boards without signatures at the host (profile B; `trust.md` §3, §5): their first keys, over a bench; their letters, under a
 * 32-byte master that each shares with this host; news in pieces of a letter of 512 bytes. A board says what it holds, and is
 * answered with what fits of the rest, so a lost letter costs one road and nothing else.
 */
import { audit, fromHex, nextNumber, noteIncident, sha256Hex, toHex, type Context } from "./context.js";
import { transact, type Tx } from "./database.js";
import type { Admit, Count } from "./device.js";
import { heldEpochs, heldKeys } from "./groups.js";
import { takeBatch } from "./intake.js";
import { readNumbered } from "./status.js";
import { suspension, wrongProofsMost, type TerminalRow } from "./terminals.js";
import { limits } from "../protocol/limits.js";
import { equal } from "../protocol/wire/bytes.js";
import { encodeNewsBoard, decodePullBoard, type ListPiece, type NewsBoard, type PullBoard } from "../protocol/wire/board-letters.js";
import { terminalRole } from "../protocol/wire/certificate.js";
import { directionKeys, openMessageB, readEnvelopeB, sealMessageB, type SealedB } from "../protocol/wire/envelope-b.js";
import { encodeGroupKeys } from "../protocol/wire/group-keys.js";
import type { Message } from "../protocol/wire/envelope.js";
import * as p from "../protocol/wire/provision.js";
import { decodeSigned } from "../protocol/wire/signed.js";
import { answerBit, decodeBatch, encodeBatchTaken, messageType } from "../protocol/wire/sync.js";
import { bitsDigest } from "../protocol/wire/trust.js";

const none = new Uint8Array(0);
const recordDays = 400;
/** A board keeps a list of so many bytes, two bits a value (`trust.md` §2). */
const boardListBytesMost = 4096;
/** A master is made new at the first letter, which may come by another road than the bench's, and then yearly with the roles. */
const generationAfterProvisioning = 2;

// ---- first keys ---------------------------------------------------------------------------------------------------------------

/**
 * A bench's word for a blank board: its claim, answered by the sealed package; or its confirmation, answered by nothing. Undefined
 * for a code that is unknown, dead or not proved, without saying which; the same claim again gets the same answer.
 */
export async function provision(c: Context, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  const confirmed = p.decodeBoardConfirmed(bytes);
  if (confirmed !== undefined) return await takeConfirmation(c, confirmed);
  const claim = p.decodeBoardClaim(bytes);
  const request = claim === undefined ? undefined : p.decodeBoardRequest(claim.request);
  if (claim === undefined || request === undefined) return undefined;
  return await transact(c.db, async (tx) => {
    const rows = await tx.selectFrom("terminal").selectAll().where("lookup", "=", request.lookup).where("claim_until", ">", c.now()).where("claim_wrong", "<", wrongProofsMost).where("generation", ">", 0).execute();
    for (const t of rows) {
      const secret = p.claimSecret(c.crypto, c.keys.unwrap(t.claim_secret), request.nonce);
      if (equal(p.requestMac(c.crypto, secret, claim.request), claim.mac)) return await giveKeys(c, tx, t, request, claim.request, secret);
      await tx.updateTable("terminal").set({ claim_wrong: t.claim_wrong + 1 }).where("terminal_id", "=", t.terminal_id).execute();
      if (t.claim_wrong + 1 === wrongProofsMost) await noteIncident(tx, "claim code dead after ten wrong proofs", t.terminal_id, "", c.now());
    }
    return undefined;
  });
}

async function giveKeys(c: Context, tx: Tx, t: TerminalRow, request: p.BoardRequest, bytes: Uint8Array, secret: Uint8Array): Promise<Uint8Array | undefined> {
  const digest = sha256Hex(bytes);
  if (t.claim_request === digest) return new Uint8Array(t.claim_answer!);
  // No second board of one identity: not another chip, and none at all once the keys were confirmed, or used in a letter.
  const first = t.board === null ? undefined : (JSON.parse(t.board) as { chip: string }).chip;
  if (t.generation_heard > 0 || (first !== undefined && first !== toHex(request.chip))) {
    await noteIncident(tx, "claim code used again by another board", t.terminal_id, toHex(request.chip), c.now());
    return undefined;
  }
  const wrong = unfit(t, request);
  if (wrong !== "") {
    await noteIncident(tx, wrong, t.terminal_id, `${request.model}, chip ${toHex(request.chip)}`, c.now());
    return undefined;
  }
  const given: p.BoardPackage = {
    terminal: fromHex(t.terminal_id), generation: t.generation, master: c.keys.board(t.terminal_id, t.generation), groups: await heldKeys(c, tx, t.group_number), configuration: claimsOf(t), at: c.now(),
  };
  const answer = p.sealPackage(c.crypto, secret, bytes, p.encodeBoardPackage(given));
  await addKey(c, tx, t, t.generation);
  await tx.updateTable("terminal").set({ claim_request: digest, claim_answer: answer, board: JSON.stringify({ model: request.model, chip: toHex(request.chip), software: request.software, features: request.features }) }).where("terminal_id", "=", t.terminal_id).execute();
  await audit(tx, "terminal", `board ${t.terminal_id} was given its first keys: ${request.model}, chip ${toHex(request.chip)}`, c.now());
  return answer;
}

/** Why this board may not have the role; empty when it may. */
function unfit(t: TerminalRow, x: p.BoardRequest): string {
  if ((x.features & p.feature.random) === 0) return "a board without a random source of its own asked for keys";
  return (x.features & p.feature.aes) === 0 && t.role !== terminalRole.gate ? "a board without AES asked for more than a gate's keys" : "";
}

const claimsOf = (t: TerminalRow): Uint8Array => decodeSigned(new Uint8Array(t.configuration))!.claims;

async function addKey(c: Context, tx: Tx, t: TerminalRow, generation: number): Promise<void> {
  const { kid } = directionKeys(c.crypto, c.keys.board(t.terminal_id, generation), generation, true);
  await tx.insertInto("board_key").values({ kid: toHex(kid), terminal_id: t.terminal_id, generation }).onConflict((o) => o.doNothing()).execute();
}

/** The board has its keys: from here on its code is used up. */
async function takeConfirmation(c: Context, x: p.BoardConfirmed): Promise<Uint8Array | undefined> {
  return await transact(c.db, async (tx) => {
    const t = await tx.selectFrom("terminal").selectAll().where("terminal_id", "=", toHex(x.terminal)).where("claim_answer", "is not", null).where("generation", ">", 0).executeTakeFirst();
    if (t === undefined) return undefined;
    const keys = directionKeys(c.crypto, c.keys.board(t.terminal_id, 1), 1, true);
    const said = c.crypto.hmac(keys.mac, Buffer.concat([Buffer.from("kaisatsu board confirms"), fromHex(t.claim_request!), c.crypto.sha256(new Uint8Array(t.claim_answer!))]));
    if (!equal(said, x.mac)) { await noteIncident(tx, "a board's confirmation does not fit its keys", t.terminal_id, "", c.now()); return undefined; }
    await heard(c, tx, t, 1);
    return none;
  });
}

/** A generation is in use: from the first on, the next one waits in the news; the code ends. */
async function heard(c: Context, tx: Tx, t: TerminalRow, generation: number): Promise<void> {
  if (generation <= t.generation_heard) return;
  if (t.generation_heard === 0) await audit(tx, "terminal", `board ${t.terminal_id} has its keys`, c.now());
  await tx.updateTable("terminal").set({ generation_heard: generation, generation: Math.max(t.generation, generationAfterProvisioning), claim_until: 0, seen_at: c.now() }).where("terminal_id", "=", t.terminal_id).execute();
}

// ---- letters ------------------------------------------------------------------------------------------------------------------

/** Is this an envelope of a board? */
export const isBoardEnvelope = (bytes: Uint8Array): boolean => bytes[0] === 0xd0 || bytes[0] === 0xd1;

interface Opened { t: TerminalRow; generation: number; message: Message; isSealed: boolean }

/** Answers a board's letter, or undefined: say nothing but 400. Taken once: the same letter again gets the stored answer again. */
export async function takeBoardEnvelope(c: Context, bytes: Uint8Array, count: Count, admit: Admit): Promise<Uint8Array | undefined> {
  const e = readEnvelopeB(bytes);
  const done = e === undefined ? undefined : await transact(c.db, async (tx) => {
    const opened = await open(c, tx, e);
    if (opened === undefined) return undefined;
    if (!admit(opened.t.terminal_id, opened.message.type)) return { result: "limited" as const, answer: undefined };
    return await takeOnce(c, tx, opened, bytes);
  });
  count(done?.result ?? "refused");
  return done?.answer;
}

async function open(c: Context, tx: Tx, e: SealedB): Promise<Opened | undefined> {
  const rows = await tx.selectFrom("board_key").selectAll().where("kid", "=", toHex(e.kid)).execute();
  for (const { terminal_id, generation } of rows) {
    const keys = directionKeys(c.crypto, c.keys.board(terminal_id, generation), generation, true);
    const message = openMessageB(c.crypto, c.ccm, keys, e);
    if (message === undefined || toHex(message.recipient) !== terminal_id) continue;
    const t = await tx.selectFrom("terminal").selectAll().where("terminal_id", "=", terminal_id).executeTakeFirstOrThrow();
    // Whoever has a newer generation uses no older one; only a board without AES leaves its letters open.
    const features = (JSON.parse(t.board ?? "{}") as { features?: number }).features ?? 0;
    if (generation < t.generation_heard && !isRecord(message) || e.isSealed !== ((features & p.feature.aes) !== 0)) return undefined;
    return { t, generation, message, isSealed: e.isSealed };
  }
  return undefined;
}
const isRecord = (m: Message): boolean => m.type === messageType.records;

async function takeOnce(c: Context, tx: Tx, x: Opened, bytes: Uint8Array): Promise<{ result: "taken" | "repeated"; answer: Uint8Array | undefined }> {
  const sender = `${x.t.terminal_id}/${x.generation}`;
  const digest = sha256Hex(bytes);
  const known = await tx.selectFrom("letter").select(["digest", "answer"]).where("sender", "=", sender).where("sequence", "=", x.message.sequence).executeTakeFirst();
  if (known !== undefined) {
    if (known.digest === digest) return { result: "repeated", answer: new Uint8Array(known.answer) };
    await noteIncident(tx, "two letters with one number", x.t.terminal_id, `sequence ${x.message.sequence}`, c.now());
    return { result: "repeated", answer: undefined };
  }
  await heard(c, tx, x.t, x.generation);
  const t = await tx.selectFrom("terminal").selectAll().where("terminal_id", "=", x.t.terminal_id).executeTakeFirstOrThrow();
  const answer = await sealFor(c, tx, { ...x, t }, await bodyFor(c, tx, t, x.message));
  await tx.deleteFrom("letter").where("keep_until", "<", c.now()).execute();
  await tx.insertInto("letter").values({ sender, sequence: x.message.sequence, digest, answer, keep_until: c.now() + (isRecord(x.message) ? recordDays : 30) * 86_400 }).execute();
  return { result: "taken", answer };
}

async function sealFor(c: Context, tx: Tx, x: Opened, body: Uint8Array): Promise<Uint8Array> {
  const keys = directionKeys(c.crypto, c.keys.board(x.t.terminal_id, x.generation), x.generation, false);
  const id = fromHex(x.t.terminal_id);
  return sealMessageB(c.crypto, x.isSealed ? c.ccm : undefined, keys, {
    recipient: id, at: c.now(), quality: 3, sequence: await nextNumber(tx, "board letter " + x.t.terminal_id), type: x.message.type + answerBit, body, answers: { sequence: x.message.sequence, kid: id }, certificate: undefined,
  });
}

async function bodyFor(c: Context, tx: Tx, t: TerminalRow, m: Message): Promise<Uint8Array> {
  const batch = isRecord(m) ? decodeBatch(m.body) : undefined;
  if (batch !== undefined) return encodeBatchTaken({ through: await takeBatch(c, tx, t, batch) });
  const pull = m.type === messageType.pullBoard ? decodePullBoard(m.body) : undefined;
  return pull === undefined ? none : encodeNewsBoard(await newsForBoard(c, tx, t, pull));
}

// ---- news ---------------------------------------------------------------------------------------------------------------------

/** Keys first, then the configuration, then as much of the status list as fits. A board that is not believed gets the time and nothing else. */
export async function newsForBoard(c: Context, tx: Tx, t: TerminalRow, pull: PullBoard): Promise<NewsBoard> {
  const [present] = await heldEpochs(c, tx, t.group_number);
  const news: NewsBoard = { at: c.now(), epoch: present!.epoch, more: false, configuration: none, group: none, master: undefined, piece: undefined };
  await tx.updateTable("terminal").set({ seen_at: c.now() }).where("terminal_id", "=", t.terminal_id).execute();
  if (t.suspended !== suspension.none) return { ...news, epoch: 0 };
  if (t.generation > pull.generation) {
    await addKey(c, tx, t, t.generation);
    news.master = { generation: t.generation, master: c.keys.board(t.terminal_id, t.generation) };
  }
  const missing = (await heldKeys(c, tx, t.group_number)).filter((keys) => keys.epoch > pull.epoch).sort((a, b) => a.epoch - b.epoch);
  if (missing.length > 0) news.group = encodeGroupKeys(missing[0]!);
  if (t.configuration_number > pull.configuration) put(news, { configuration: claimsOf(t) });
  if (missing.length > 1) news.more = true;
  await addPiece(c, tx, pull, news);
  return news;
}

/** Adds what fits a letter; what does not is asked for again. */
function put(news: NewsBoard, what: Partial<NewsBoard>): void {
  if (encodeNewsBoard({ ...news, ...what }).length <= limits.boardBodyBytesMax) Object.assign(news, what); else news.more = true;
}

async function addPiece(c: Context, tx: Tx, pull: PullBoard, news: NewsBoard): Promise<void> {
  const list = await readNumbered(tx);
  if (list.number <= pull.list || list.bits.length === 0 || list.bits.length > boardListBytesMost) return;
  const from = pull.arriving === list.number && pull.from < list.bits.length ? pull.from : 0;
  const piece: ListPiece = { number: list.number, total: list.bits.length, from, digest: bitsDigest(c.crypto, list.bits), bytes: none };
  const room = limits.boardBodyBytesMax - encodeNewsBoard({ ...news, piece: { ...piece, bytes: new Uint8Array(1) } }).length - 2;
  if (room < 16) { news.more = true; return; }
  news.piece = { ...piece, bytes: list.bits.slice(from, from + room) };
  if (from + news.piece.bytes.length < list.bits.length) news.more = true;
}
