/**
 * Boards without signatures at the host (profile B): first keys over a bench, letters that others carry, keys that change with
 * the epochs of their group, and what comes to light when somebody has those keys. The board's half is the real one.
 */
import { beforeEach, expect, test } from "vitest";
import { ask, crypto, enrol, enrolBox, gateOf, headAfter, holder, openShop, openWorld, pull, ten, type Box, type Device, type Held, type World } from "./world.js";
import { provision } from "../../host/boards.js";
import { takeEnvelope } from "../../host/device.js";
import { heldEpochs, rekeyGroup } from "../../host/groups.js";
import { checkBooks } from "../../host/invariants.js";
import { transact } from "../../host/database.js";
import { addProduct, sell } from "../../host/products.js";
import { setStatus } from "../../host/status.js";
import { restoreTerminal, suspendTerminal } from "../../host/suspension.js";
import { addTerminal } from "../../host/terminals.js";
import { nodeCcm } from "../../protocol/crypto/node/node.js";
import { refusal } from "../../protocol/refusal.js";
import { mac8, none } from "../../protocol/session/transcript.js";
import { equal } from "../../protocol/wire/bytes.js";
import { brought, decodeBrought, decodePiece, encodeBring, encodeFetch, encodeKnock, fetching, letterId, pieceOf, type Piece } from "../../protocol/wire/carry.js";
import { readClaimCode } from "../../protocol/wire/claim.js";
import { encodeEntry } from "../../protocol/wire/entry.js";
import { decodeRegranted, encodeRegrant } from "../../protocol/wire/handset-letters.js";
import { decodeGroupKeys, type GroupKeyPackage } from "../../protocol/wire/group-keys.js";
import * as p from "../../protocol/wire/provision.js";
import { acknowledgementToSign, encodeFinishedB, encodeReceipt, type Receipt } from "../../protocol/wire/receipt.js";
import { messageType } from "../../protocol/wire/sync.js";
import { decodeConfiguration } from "../../protocol/wire/trust.js";
import { decodeValue, digest16, encodeValue } from "../../protocol/wire/value.js";
import type { NewsBoard } from "../../protocol/wire/board-letters.js";
import { hearService, makeService, type Service } from "../../runtime/service.js";
import { makeBoardSync, type BoardBooks } from "../../runtime/sync/board-sync.js";

/** A board as far as keys and letters go: what stands on its pages, and its journal. */
interface Board { service: Service; id: string; code: string; given: p.BoardPackage[]; groups: GroupKeyPackage[]; epoch: number; configuration: number; list: Uint8Array; listNumber: number; arriving: number[]; entries: Uint8Array[]; confirmed: number; news: NewsBoard[] }

let x: World;
beforeEach(async () => {
  x = await openWorld();
  await openShop(x);
  await addProduct(x.context, { ...ten, product: "swim", grantUses: 3 });
});

function makeBoard(code: string, id: string, features = 7, chip = 1): Board {
  const b: Board = { service: undefined as unknown as Service, id, code, given: [], groups: [], epoch: 0, configuration: 0, list: none, listNumber: 0, arriving: [], entries: [], confirmed: 0, news: [] };
  const books: BoardBooks = {
    at: () => ({ at: x.machine.now(), quality: 1 }), reserve: () => undefined, confirm: (through) => { b.confirmed = through; },
    records: (most) => {
      let bytes = 0;
      const entries = b.entries.slice(b.confirmed).filter((e, i) => (bytes += e.length + 3) <= most || i === 0);
      return entries.length === 0 ? undefined : { boot: 1, first: b.confirmed + 1, entries, head: headAfter(b.entries.slice(0, b.confirmed + entries.length)) };
    },
    holds: () => ({ configuration: b.configuration, generation: b.service.sync!.generation, epoch: Math.max(0, ...b.groups.map((g) => g.epoch)), list: b.listNumber, arriving: b.news.at(-1)?.piece?.number ?? 0, from: b.arriving.length }),
    take: (news) => {
      b.news.push(news);
      b.epoch = news.epoch;
      if (news.group.length > 0) b.groups.push(decodeGroupKeys(news.group)!);
      if (news.configuration.length > 0) b.configuration = decodeConfiguration(news.configuration)!.number;
      if (news.piece === undefined) return;
      expect(news.piece.from).toBe(b.arriving.length);
      b.arriving.push(...news.piece.bytes);
      if (b.arriving.length < news.piece.total) return;
      b.list = Uint8Array.from(b.arriving);
      expect(equal(crypto.sha256(b.list).subarray(0, 8), news.piece.digest)).toBe(true);
      [b.listNumber, b.arriving] = [news.piece.number, []];
    },
  };
  const install = (given: p.BoardPackage) => {
    b.given.push(given);
    b.groups = [...given.groups];
    b.epoch = given.groups[0]!.epoch;
    b.configuration = decodeConfiguration(given.configuration)!.number;
    return makeBoardSync(crypto, (features & p.feature.aes) === 0 ? undefined : nodeCcm, books, given.terminal, given.master, given.generation, 0);
  };
  b.service = makeService(crypto, { random: (n) => x.machine.random(n), install, openConsole: () => undefined }, { model: "puck gate", chip: Uint8Array.of(chip), software: "1", program: 1, features, terminal: none }, undefined);
  return b;
}
const add = async (more: Parameters<typeof gateOf>[0] = {}, features = 7): Promise<Board> => {
  const made = await addTerminal(x.context, gateOf({ board: true, takes: [{ kind: "coupon", action: 1, zone: 1 }], ...more }));
  return makeBoard(made.claimCode, made.terminalId, features);
};

// ---- the bench: it carries bytes -------------------------------------------------------------------------------------------

function fetch(b: Board, what: number, letter: Uint8Array = none): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let from = 0; ;) {
    const piece = decodePiece(hearService(b.service, encodeFetch({ what, letter, from, most: 300 }))!) as Piece | "none";
    if (piece === "none") return new Uint8Array(Buffer.concat(parts));
    [letter, from] = [piece.letter, from + piece.bytes.length];
    parts.push(piece.bytes);
  }
}
function bring(b: Board, bytes: Uint8Array): number {
  for (let have = 0; ;) {
    const said = decodeBrought(hearService(b.service, encodeBring(pieceOf(letterId(crypto, bytes), bytes, have, 300)))!)!;
    if (said.code !== brought.more) return said.code;
    have = said.have;
  }
}
const claimOf = (b: Board): Uint8Array => hearService(b.service, p.encodeClaimCode(readClaimCode(b.code)!))!;
const confirm = (b: Board, sealed: Uint8Array) => provision(x.context, p.encodeBoardConfirmed({ terminal: new Uint8Array(Buffer.from(b.id, "hex")), mac: fetch(b, fetching.answer, letterId(crypto, sealed)) }));
async function provisioned(more: Parameters<typeof gateOf>[0] = {}, features = 7): Promise<Board> {
  const b = await add(more, features);
  const sealed = (await provision(x.context, claimOf(b)))!;
  expect(bring(b, sealed)).toBe(brought.taken);
  expect(await confirm(b, sealed)).toEqual(none);
  return b;
}
/** One letter to the host and its answer back; false when the host said nothing. */
async function carry(b: Board): Promise<boolean> {
  const letter = fetch(b, fetching.letter);
  expect(letter.length).toBeLessThanOrEqual(512);
  const answer = await takeEnvelope(x.context, x.broker, letter, x.count);
  if (answer !== undefined) expect(answer.length).toBeLessThanOrEqual(512);
  return answer !== undefined && bring(b, answer) === brought.taken;
}
/** Until nothing is left to say. */
async function carryAll(b: Board): Promise<void> {
  const before = b.news.length;
  hearService(b.service, encodeKnock(new Uint8Array(8)));
  for (let i = 0; i < 40; i++) {
    expect(await carry(b)).toBe(true);
    if (b.news.length > before && b.service.sync!.isUpToDate) return;
  }
  throw new Error("it does not come to an end");
}
const incidents = async (): Promise<string[]> => (await x.context.db.selectFrom("incident").select("what").execute()).map((i) => i.what);

/** A finished record as this board would write it, under the keys of its present epoch. */
function use(b: Board, v: Held, grant: Uint8Array, before: { receipt: Uint8Array; fields: Receipt } | undefined, more: { keys?: GroupKeyPackage; holder?: Uint8Array } = {}): { receipt: Uint8Array; mac: Uint8Array; fields: Receipt } {
  const keys = more.keys ?? b.groups.find((g) => g.epoch === b.epoch)!;
  const fields: Receipt = {
    kind: 1, terminal: new Uint8Array(Buffer.from(b.id, "hex")), tap: Uint8Array.of(0, 0, 0, b.entries.length + 1), valueId: decodeValue(grant)!.valueId, counter: (before?.fields.counter ?? 0) + 1,
    previous: digest16(crypto, before?.receipt ?? grant), action: 1, amount: 1, after: (before?.fields.after ?? 0) + 1, at: x.machine.now(), quality: 1, until: 0, base: undefined, fold: undefined,
  };
  const receipt = encodeReceipt(fields);
  const mac = mac8(crypto, keys.receiptKey, "receipt", none, receipt);
  const record = encodeFinishedB({ receipt, mac, evidence: crypto.sign(more.holder ?? v.secret, acknowledgementToSign(crypto, receipt)) });
  b.entries.push(encodeEntry({ kind: "finished", profile: "B", record, valueKind: "coupon", own: true, ownerSequence: 0, statusIndex: 0, expires: 0 }));
  return { receipt, mac, fields };
}
const regrant = async (phone: Device, grant: Uint8Array, last?: { receipt: Uint8Array; mac: Uint8Array }) => decodeRegranted((await ask(x, phone, messageType.regrant, encodeRegrant({ grant: decodeValue(grant)!.valueId, receipt: last?.receipt ?? none, mac: last?.mac ?? none })))!)!;

// ---- first keys --------------------------------------------------------------------------------------------------------------

test("a board is given who it is, its master, its group's keys and its configuration; its code is then used up", async () => {
  const b = await provisioned({ name: "South" });
  const [given] = b.given;
  expect(Buffer.from(given!.terminal).toString("hex")).toBe(b.id);
  expect(given!.groups.map((g) => g.epoch)).toEqual([1]);
  expect(decodeConfiguration(given!.configuration)!.takes).toEqual([{ kind: "coupon", action: 1, zone: 1 }]);
  expect(given!.at).toBe(x.machine.now());
  const second = makeBoard(b.code, b.id);
  expect(await provision(x.context, claimOf(second))).toBeUndefined();
  // The same bytes again are nothing new.
  expect(await incidents()).toEqual([]);
});

test("broken off before the confirmation: the same claim gets the same answer, a new one of this board new keys under the code; another chip nothing, and an alarm", async () => {
  const b = await add();
  const claim = claimOf(b);
  const sealed = await provision(x.context, claim);
  expect(await provision(x.context, claim)).toEqual(sealed);
  const again = await provision(x.context, claimOf(b));
  expect(bring(b, sealed!)).toBe(brought.unwanted);
  expect(bring(b, again!)).toBe(brought.taken);
  expect(await provision(x.context, claimOf(makeBoard(b.code, b.id, 7, 2)))).toBeUndefined();
  expect(await incidents()).toEqual(["claim code used again by another board"]);
});

test("who has not the code gets nothing, ten wrong proofs end it, and a Pi's code is no board's, nor a board's a Pi's", async () => {
  const b = await add();
  const wrong = readClaimCode(b.code)!;
  for (let i = 0; i < 10; i++) expect(await provision(x.context, hearService(makeBoard(b.code, b.id).service, p.encodeClaimCode({ ...wrong, secret: "0".repeat(15) }))!)).toBeUndefined();
  expect(await provision(x.context, claimOf(b))).toBeUndefined();
  expect(await incidents()).toEqual(["claim code dead after ten wrong proofs"]);
  const pi = await addTerminal(x.context, gateOf());
  expect(await provision(x.context, claimOf(makeBoard(pi.claimCode, pi.terminalId)))).toBeUndefined();
  for (const bytes of [none, Uint8Array.of(1, 2, 3), x.machine.random(200)]) expect(await provision(x.context, bytes)).toBeUndefined();
});

test("a board whose random source is plain rand() is refused, and one without AES is a gate and nothing else", async () => {
  expect(await provision(x.context, claimOf(await add({}, 3)))).toBeUndefined();
  expect(await provision(x.context, claimOf(await add({ role: "till" }, 4)))).toBeUndefined();
  expect(await incidents()).toEqual(["a board without a random source of its own asked for keys", "a board without AES asked for more than a gate's keys"]);
  const gate = await provisioned({}, 4);
  expect(fetch(gate, fetching.letter)[0]).toBe(0xd1);
  await carryAll(gate);
});

test("a confirmation that the board did not make is an alarm and changes nothing", async () => {
  const b = await add();
  await provision(x.context, claimOf(b));
  expect(await provision(x.context, p.encodeBoardConfirmed({ terminal: new Uint8Array(Buffer.from(b.id, "hex")), mac: new Uint8Array(32) }))).toBeUndefined();
  expect(await incidents()).toEqual(["a board's confirmation does not fit its keys"]);
});

// ---- letters -----------------------------------------------------------------------------------------------------------------

test("the first letter brings a new master, which the bench of the first keys has not seen; the old one then opens nothing but records", async () => {
  const b = await provisioned();
  const old = b.service.sync!;
  const [master, generation] = [old.master, old.generation];
  await carryAll(b);
  expect(b.service.sync!.generation).toBe(2);
  expect(equal(b.service.sync!.master, master)).toBe(false);
  await carryAll(b);
  const thief = makeBoard(b.code, b.id);
  thief.service.sync = makeBoardSync(crypto, nodeCcm, old.books, old.terminal, master, generation, 500);
  expect(await carry(thief)).toBe(false);
});

test("records go up once, however often they are carried, and count: the value's key agreed", async () => {
  const b = await provisioned();
  const { value } = await holder(x, "aiko@example.org", "swim");
  const first = use(b, value, value.delivered.grant, undefined);
  use(b, value, value.delivered.grant, first);
  const letter = fetch(b, fetching.letter);
  const answers = [await takeEnvelope(x.context, x.broker, letter, x.count), await takeEnvelope(x.context, x.broker, letter, x.count)];
  expect(answers[0]).toEqual(answers[1]);
  expect(x.counted).toMatchObject({ taken: expect.any(Number) as number, repeated: 1 });
  expect(bring(b, answers[0]!)).toBe(brought.taken);
  await carryAll(b);
  expect(b.confirmed).toBe(2);
  expect((await x.context.db.selectFrom("value_use").select(["counter", "state"]).orderBy("counter").execute())).toEqual([{ counter: 1, state: "finished" }, { counter: 2, state: "finished" }]);
  expect([await incidents(), await checkBooks(x.context.db)]).toEqual([[], []]);
});

test("evidence that is not the value key's is found at intake: no money", async () => {
  const b = await provisioned();
  const { value } = await holder(x, "ben@example.org", "swim");
  use(b, value, value.delivered.grant, undefined, { holder: x.machine.random(32) });
  await carryAll(b);
  expect(await incidents()).toEqual(["the value's key did not agree to this receipt"]);
  expect(await x.context.db.selectFrom("value_use").selectAll().execute()).toEqual([]);
});

test("a list of revoked values comes in pieces of a letter, and a new configuration beside it", async () => {
  const b = await provisioned();
  for (let i = 0; i < 1700; i++) await sell(x.context, { product: "concert", user: `u${i}@example.org`, reference: `r${i}`, paid: "sold" });
  const all = await x.context.db.selectFrom("issued").select(["value_id", "status_index"]).orderBy("status_index").execute();
  await transact(x.context.db, (tx) => setStatus(x.context, tx, all[1699]!.value_id, "revoked"));
  await carryAll(b);
  expect(b.list.length).toBe(425);
  expect(b.news.filter((n) => n.piece !== undefined).length).toBeGreaterThan(1);
  expect(b.list[424]! & 0xc0).not.toBe(0);
  const before = b.news.length;
  await carryAll(b);
  expect(b.news[before]).toMatchObject({ more: false, piece: undefined, configuration: none, group: none, master: undefined });
});

test("a suspended board gets the time and nothing else, and its records wait", async () => {
  const b = await provisioned();
  await carryAll(b);
  const { value } = await holder(x, "cleo@example.org", "swim");
  await transact(x.context.db, (tx) => suspendTerminal(x.context, tx, b.id, "gone"));
  x.machine.advance(24 * 86_400);
  use(b, value, value.delivered.grant, undefined);
  await carryAll(b);
  expect([b.news.at(-1)!.epoch, b.groups.length, (await x.context.db.selectFrom("value_use").selectAll().execute()).length]).toEqual([0, 1, 0]);
  await transact(x.context.db, (tx) => restoreTerminal(x.context, tx, b.id, "found"));
  expect((await x.context.db.selectFrom("value_use").selectAll().execute()).length).toBe(1);
});

// ---- epochs ------------------------------------------------------------------------------------------------------------------

test("an epoch is thirty days: the next one's keys are there seven days before it, the old one's for seven days after", async () => {
  const b = await provisioned();
  const held = async (): Promise<number[]> => (await transact(x.context.db, (tx) => heldEpochs(x.context, tx, 1))).map((e) => e.epoch);
  const days = async (n: number): Promise<number[]> => { x.machine.advance(n * 86_400); return await held(); };
  expect([await held(), await days(22), await days(1), await days(7), await days(6), await days(1)]).toEqual([[1], [1], [1, 2], [2, 1], [2, 1], [2]]);
  await carryAll(b);
  expect([b.epoch, b.groups.map((g) => g.epoch)]).toEqual([2, [1, 2]]);
  expect(equal(b.groups[0]!.grantKey, b.groups[1]!.grantKey)).toBe(false);
  x.machine.advance(400 * 86_400);
  expect(await held()).toHaveLength(1);
});

test("a Pi of the group is told the present epoch's keys with its news, a suspended one and one without a group are not", async () => {
  const [pi, other] = [await enrolBox(x, gateOf({ profileB: true })), await enrolBox(x)];
  const epochOf = async (box: Box): Promise<number> => { const { group } = (await pull(x, box))!; return group.length === 0 ? 0 : decodeGroupKeys(group)!.epoch; };
  expect([await epochOf(pi), await epochOf(other)]).toEqual([1, 0]);
  x.machine.advance(31 * 86_400);
  expect(await epochOf(pi)).toBe(2);
  await transact(x.context.db, (tx) => suspendTerminal(x.context, tx, pi.id, "gone"));
  expect(await epochOf(pi)).toBe(0);
});

test("a grant of the next epoch takes what is left of the old one, with its money, once; the old one's uses still count", async () => {
  const b = await provisioned();
  const { phone, value } = await holder(x, "dora@example.org", "swim");
  const first = use(b, value, value.delivered.grant, undefined);
  expect((await regrant(phone, value.delivered.grant, first)).epoch).toBe(1);
  x.machine.advance(31 * 86_400);
  const next = await regrant(phone, value.delivered.grant, first);
  expect([next.code, next.epoch, decodeValue(next.grant)!.most]).toEqual([0, 2, 2]);
  expect(await regrant(phone, value.delivered.grant, first)).toEqual(next);
  expect(await regrant(phone, value.delivered.grant)).toEqual(next);
  await carryAll(b);
  b.epoch = 2;
  const second = use(b, value, next.grant, undefined);
  use(b, value, next.grant, second);
  await carryAll(b);
  const uses = await x.context.db.selectFrom("value_use").select("state").execute();
  expect(uses.map((u) => u.state)).toEqual(["finished", "finished", "finished"]);
  expect([await incidents(), await checkBooks(x.context.db)]).toEqual([[], []]);
});

test("who shows an old receipt to get more is found: by the books at once, or when the records come", async () => {
  const b = await provisioned();
  const { phone, value } = await holder(x, "emil@example.org", "swim");
  const first = use(b, value, value.delivered.grant, undefined);
  x.machine.advance(31 * 86_400);
  await carryAll(b);
  expect((await regrant(phone, value.delivered.grant)).code).toBe(refusal.state_outdated);
  const second = use(b, value, value.delivered.grant, first, { keys: b.groups[0]! });
  expect((await regrant(phone, value.delivered.grant, first)).code).toBe(0);
  await carryAll(b);
  expect(await incidents()).toEqual(["the running total does not fit the value"]);
  expect(second.fields.after).toBe(2);
  expect(await checkBooks(x.context.db)).toEqual([]);
});

test("no grant is given to a stranger, for a receipt that no board made, or when nothing is left", async () => {
  const b = await provisioned();
  const { phone, value } = await holder(x, "fred@example.org", "swim");
  const thief = await enrol(x, "mallory@example.org");
  let last = use(b, value, value.delivered.grant, undefined);
  x.machine.advance(31 * 86_400);
  expect((await regrant(thief, value.delivered.grant, last)).code).toBe(refusal.not_genuine);
  expect((await regrant(phone, value.delivered.grant, { ...last, mac: new Uint8Array(8) })).code).toBe(refusal.not_genuine);
  for (let i = 0; i < 2; i++) last = use(b, value, value.delivered.grant, last);
  expect((await regrant(phone, value.delivered.grant, last)).code).toBe(refusal.insufficient);
});

// ---- a stolen group key ------------------------------------------------------------------------------------------------------

test("a forged grant after a stolen group key is found at sync and shown as a case; the group is made new without the board that was opened", async () => {
  const [b, opened] = [await provisioned(), await provisioned({ name: "Opened" })];
  const { phone, value } = await holder(x, "gina@example.org", "swim");
  // Whoever read the opened board's pages makes a grant of his own, and a board of the group takes it.
  const stolen = opened.groups[0]!;
  const forged = encodeValue({ ...decodeValue(value.delivered.grant)!, valueId: x.machine.random(8), most: 1000 });
  use(b, { ...value, secret: x.machine.random(32) }, forged, undefined, { keys: stolen });
  use(b, value, value.delivered.grant, undefined);
  await carryAll(b);
  const cases = await x.context.db.selectFrom("forgery").selectAll().execute();
  expect(cases).toMatchObject([{ group_number: 1, epoch: 1, terminal_id: b.id, grant_id: Buffer.from(decodeValue(forged)!.valueId).toString("hex") }]);
  expect(cases[0]!.evidence.length).toBeGreaterThan(200);
  expect(await incidents()).toEqual(["a grant was forged with the keys of a group: make the group new without the board that was opened"]);
  // The honest use beside it counted.
  expect((await x.context.db.selectFrom("value_use").selectAll().execute()).length).toBe(1);

  const made = await transact(x.context.db, (tx) => rekeyGroup(x.context, tx, 1, [opened.id], "its pages were read"));
  expect(made.epoch).toBe(2);
  await carryAll(b);
  await carryAll(opened);
  expect([b.epoch, b.groups.at(-1)!.epoch, opened.groups.map((g) => g.epoch)]).toEqual([2, 2, [1]]);
  const next = await regrant(phone, value.delivered.grant, use(b, value, value.delivered.grant, undefined, { keys: stolen }));
  expect([next.code, next.epoch]).toEqual([0, 2]);
  expect(await checkBooks(x.context.db)).toEqual([]);
});

test("a MAC of no epoch of the group is no case but an incident: nobody has its keys", async () => {
  const b = await provisioned();
  const { value } = await holder(x, "hugo@example.org", "swim");
  use(b, value, value.delivered.grant, undefined, { keys: { ...b.groups[0]!, receiptKey: x.machine.random(32) } });
  await carryAll(b);
  expect(await incidents()).toEqual(["the receipt's MAC is not the group's"]);
  expect(await x.context.db.selectFrom("forgery").selectAll().execute()).toEqual([]);
});

