/**
 * A small board beside taps, spoken to message by message: blank, claimed, and with letters to the host (S7). The bench of
 * these tests holds keys of its own; nothing here knows the host.
 */
import { beforeEach, expect, test } from "vitest";
import { seeded, toHex } from "../published.js";
import { nobleCcm } from "../../protocol/crypto/noble/noble.js";
import { nodeCcm, nodeCrypto } from "../../protocol/crypto/node/node.js";
import { brought, decodeBrought, decodeHere, decodePiece, encodeBring, encodeFetch, encodeKnock, fetching, letterId, pieceOf, type Piece } from "../../protocol/wire/carry.js";
import { encodeNewsBoard, decodePullBoard, type NewsBoard } from "../../protocol/wire/board-letters.js";
import { directionKeys, openMessageB, readEnvelopeB, sealMessageB } from "../../protocol/wire/envelope-b.js";
import * as p from "../../protocol/wire/provision.js";
import { decodeBatch, encodeBatchTaken, messageType, type Batch } from "../../protocol/wire/sync.js";
import { hearService, isService, makeService, type Service } from "../../runtime/service.js";
import { boardSequencesAhead, makeBoardSync, type BoardBooks, type BoardSync } from "../../runtime/sync/board-sync.js";

const random = seeded(51);
const given: p.BoardPackage = { terminal: random.bytes(8), generation: 1, master: random.bytes(32), groups: [], configuration: random.bytes(180), at: 1_700_000_000 };
const code = { lookup: "WXYZ", secret: "ABCDEFGHJKMNPQR" };
const identity = (): p.BoardIdentity => ({ model: "puck gate", chip: Uint8Array.of(1, 2, 3), software: "1", program: 77, features: 7, terminal: new Uint8Array(0) });

let service: Service, installed: p.BoardPackage[], reserved: number[], confirmed: number[], news: NewsBoard[], batch: Batch | undefined, consoles: number, flashWorks: boolean;
const books: BoardBooks = {
  at: () => ({ at: 1_700_000_100, quality: 1 }), records: () => batch, confirm: (through) => confirmed.push(through), holds: () => ({ configuration: 1, generation: 1, epoch: 4, list: 0, arriving: 0, from: 0 }),
  take: (n) => news.push(n), reserve: (ceiling) => reserved.push(ceiling),
};
const syncOf = (ceiling = 0): BoardSync => makeBoardSync(nodeCrypto, nobleCcm, books, given.terminal, given.master, 1, ceiling);
beforeEach(() => {
  [installed, reserved, confirmed, news, batch, consoles, flashWorks] = [[], [], [], [], undefined, 0, true];
  service = makeService(nodeCrypto, { random: (n) => random.bytes(n), install: (x) => { if (!flashWorks) return undefined; installed.push(x); return syncOf(); }, openConsole: () => { consoles++; } }, identity(), undefined);
});
const say = (message: Uint8Array): Uint8Array | undefined => { expect(isService(message)).toBe(true); return hearService(service, message); };

/** The host's half: the package for the request of this claim, sealed. */
function answerTo(claim: p.BoardClaim): Uint8Array {
  const request = p.decodeBoardRequest(claim.request)!;
  const secret = p.claimSecret(nodeCrypto, code.secret, request.nonce);
  expect(toHex(p.requestMac(nodeCrypto, secret, claim.request))).toBe(toHex(claim.mac));
  return p.sealPackage(nodeCrypto, secret, claim.request, p.encodeBoardPackage(given));
}
/** Brings bytes in pieces as large as the board wants; answers what came of it. */
function bring(bytes: Uint8Array): number {
  const id = letterId(nodeCrypto, bytes);
  for (let have = 0, most = 100; ;) {
    const b = decodeBrought(say(encodeBring(pieceOf(id, bytes, have, most)))!)!;
    if (b.code !== brought.more) return b.code;
    [have, most] = [b.have, Math.min(b.most, 448)];
  }
}
function fetch(what: number, letter: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let from = 0; ;) {
    const piece = decodePiece(say(encodeFetch({ what, letter, from, most: 50 }))!) as Piece | "none";
    if (piece === "none") return new Uint8Array(Buffer.concat(parts));
    [letter, from] = [piece.letter, from + piece.bytes.length];
    parts.push(piece.bytes);
  }
}
function claim(): p.BoardClaim { return p.decodeBoardClaim(say(p.encodeClaimCode(code))!)!; }

test("a blank board says who it is, opens its console when asked, and has no letters", () => {
  expect(p.decodeBoard(say(p.encodeIntroduce(p.introducing.identity))!)).toEqual(identity());
  expect(consoles).toBe(0);
  say(p.encodeIntroduce(p.introducing.console));
  expect(consoles).toBe(1);
  expect(fetch(fetching.letter, new Uint8Array(0)).length).toBe(0);
});

test("claimed: keys are installed, the confirmation is fetched, and from then on neither claim nor console is to be had", () => {
  const asked = claim();
  const sealed = answerTo(asked);
  expect(bring(sealed)).toBe(brought.taken);
  expect(installed).toEqual([given]);
  expect(toHex(fetch(fetching.answer, letterId(nodeCrypto, sealed)))).toBe(toHex(p.confirmation(nodeCrypto, given, asked.request, sealed)));
  expect(p.decodeBoard(say(p.encodeIntroduce(p.introducing.console))!)!.terminal).toEqual(given.terminal);
  expect(consoles).toBe(0);
  expect(say(p.encodeClaimCode(code))).toBeUndefined();
  // The last piece again, because the answer to it was lost: the same answer, and nothing is installed twice.
  expect(bring(sealed)).toBe(brought.taken);
  expect(installed.length).toBe(1);
});

test("a package for another claim, a changed one, or flash that does not keep it: nothing is installed, and a new claim goes through", () => {
  const old = answerTo(claim());
  const asked = claim();
  expect(bring(old)).toBe(brought.unwanted);
  const changed = answerTo(asked);
  changed[40]! ^= 1;
  expect(bring(changed)).toBe(brought.unwanted);
  flashWorks = false;
  expect(bring(answerTo(asked))).toBe(brought.unwanted);
  flashWorks = true;
  expect(bring(answerTo(asked))).toBe(brought.taken);
  expect(installed.length).toBe(1);
});

test("two claims of one code have two nonces", () => {
  const nonces = [claim(), claim()].map((c) => toHex(p.decodeBoardRequest(c.request)!.nonce));
  expect(nonces[0]).not.toBe(nonces[1]);
});

test("something far too long is not kept, and a piece out of the middle begins nothing", () => {
  claim();
  const long = random.bytes(4000);
  expect(bring(long)).toBe(brought.unwanted);
  const b = decodeBrought(say(encodeBring({ letter: random.bytes(8), total: 900, from: 300, bytes: random.bytes(50) }))!)!;
  expect([b.have, b.code]).toEqual([0, brought.more]);
});

test("a letter stands until the host's answer to it comes; records go first, then the question what is new", () => {
  service = makeService(nodeCrypto, service.hooks, identity(), syncOf(128));
  batch = { boot: 3, first: 1, entries: [Uint8Array.of(0x82, 1, 2)], head: new Uint8Array(16) };
  const letter = fetch(fetching.letter, new Uint8Array(0));
  expect(toHex(fetch(fetching.letter, new Uint8Array(0)))).toBe(toHex(letter));
  expect(letter.length).toBeLessThanOrEqual(512);
  const m = opened(letter)!;
  expect([m.type, m.sequence, reserved]).toEqual([messageType.records, 128, [128 + boardSequencesAhead]]);
  expect(decodeBatch(m.body)).toEqual(batch);

  // Garbage, an answer to another number, the other direction's key: nothing happens.
  const right = reply(m.sequence, m.type, encodeBatchTaken({ through: 1 }));
  for (const wrong of [random.bytes(80), reply(m.sequence + 1, m.type, encodeBatchTaken({ through: 9 })), letter, reply(m.sequence, messageType.pullBoard, encodeBatchTaken({ through: 9 })), Uint8Array.from(right, (b, i) => (i === 40 ? b ^ 1 : b))]) expect(bring(wrong)).toBe(brought.unwanted);
  expect(confirmed).toEqual([]);
  expect(bring(right)).toBe(brought.taken);
  expect(confirmed).toEqual([1]);
  expect(bring(right)).toBe(brought.unwanted);

  batch = undefined;
  const pull = opened(fetch(fetching.letter, new Uint8Array(0)))!;
  expect([pull.type, pull.sequence, decodePullBoard(pull.body)!.epoch]).toEqual([messageType.pullBoard, 129, 4]);
});

test("a new generation of the master is taken with the news and used from the next letter on; an older one never", () => {
  service = makeService(nodeCrypto, service.hooks, identity(), syncOf());
  const next = random.bytes(32);
  const pull = opened(fetch(fetching.letter, new Uint8Array(0)))!;
  const said: NewsBoard = { at: 1_700_000_200, epoch: 4, more: false, configuration: new Uint8Array(0), group: new Uint8Array(0), master: { generation: 2, master: next }, piece: undefined };
  expect(bring(reply(pull.sequence, pull.type, encodeNewsBoard(said)))).toBe(brought.taken);
  expect(news).toEqual([said]);
  const letter = fetch(fetching.letter, new Uint8Array(0));
  expect(opened(letter)).toBeUndefined();
  const second = openMessageB(nodeCrypto, nodeCcm, directionKeys(nodeCrypto, next, 2, true), readEnvelopeB(letter)!)!;
  expect(second.sequence).toBe(1);
  const back = { ...said, master: { generation: 1, master: given.master } };
  bring(sealMessageB(nodeCrypto, nodeCcm, directionKeys(nodeCrypto, next, 2, false), message(second.sequence, second.type, encodeNewsBoard(back))));
  expect([service.sync!.generation, toHex(service.sync!.master)]).toEqual([2, toHex(next)]);
});

test("a board that knows all has no letter more, until somebody comes anew or there are records", () => {
  service = makeService(nodeCrypto, service.hooks, identity(), syncOf());
  const said: NewsBoard = { at: 1_700_000_200, epoch: 4, more: true, configuration: new Uint8Array(0), group: new Uint8Array(0), master: undefined, piece: undefined };
  const pullAnd = (answer: NewsBoard): number => { const m = opened(fetch(fetching.letter, new Uint8Array(0)))!; return bring(reply(m.sequence, m.type, encodeNewsBoard(answer))); };
  pullAnd(said);
  pullAnd({ ...said, more: false });
  expect(fetch(fetching.letter, new Uint8Array(0)).length).toBe(0);
  batch = { boot: 1, first: 1, entries: [Uint8Array.of(0x82, 1, 2)], head: new Uint8Array(16) };
  expect(opened(fetch(fetching.letter, new Uint8Array(0)))!.type).toBe(messageType.records);
  batch = undefined;
  service.sync!.letter = undefined;
  expect(fetch(fetching.letter, new Uint8Array(0)).length).toBe(0);
  expect(decodeHere(say(encodeKnock(random.bytes(8)))!)).toMatchObject({ passesOn: false });
  expect(opened(fetch(fetching.letter, new Uint8Array(0)))!.type).toBe(messageType.pullBoard);
});

test("numbers go on from the ceiling after a start: none is used twice whatever a power cut forgot", () => {
  service = makeService(nodeCrypto, service.hooks, identity(), syncOf(64));
  const first = opened(fetch(fetching.letter, new Uint8Array(0)))!.sequence;
  service = makeService(nodeCrypto, service.hooks, identity(), syncOf(reserved[0]!));
  expect(opened(fetch(fetching.letter, new Uint8Array(0)))!.sequence).toBeGreaterThan(first);
});

const opened = (letter: Uint8Array) => openMessageB(nodeCrypto, nodeCcm, directionKeys(nodeCrypto, given.master, 1, true), readEnvelopeB(letter)!);
const message = (sequence: number, type: number, body: Uint8Array) => ({ recipient: given.terminal, at: 1_700_000_300, quality: 3, sequence: 9, type: type + 128, body, answers: { sequence, kid: given.terminal }, certificate: undefined });
const reply = (sequence: number, type: number, body: Uint8Array): Uint8Array => sealMessageB(nodeCrypto, nodeCcm, directionKeys(nodeCrypto, given.master, 1, false), message(sequence, type, body));
