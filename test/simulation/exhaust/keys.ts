/**
 * Row 52 for keys: power fails at every write of a terminal's first contact and of its renewal, in its cells and in its key
 * store. Afterwards it signs with the keys of the certificate it holds, old letters still open, and the same step done again
 * ends well (I15).
 */
import { collectInto, type Result } from "./journal.js";
import { makeFlash } from "../../../boards/sim/flash.js";
import { makeSimBoard, makeSimClock, makeSimKeys, makeSimLine, makeSimRandom, type SimBoard, type SimKeys } from "../../../boards/sim/board.js";
import type { FaultyStore } from "../../../boards/sim/faulty.js";
import { makeMemoryStore, type MemoryStore } from "../../../boards/sim/store.js";
import { nodeCrypto as crypto } from "../../../protocol/crypto/node/node.js";
import { media } from "../../../protocol/link/media.js";
import { equal } from "../../../protocol/wire/bytes.js";
import { encodeTerminalCertificate, terminalRole, terminalToSign } from "../../../protocol/wire/certificate.js";
import { claimKeys, makeClaimCode, readClaimCode, sealAnswer, splitMac } from "../../../protocol/wire/claim.js";
import { shortKeyId, signObject } from "../../../protocol/wire/signed.js";
import { decodeClaimRequest, encodeClaimGranted } from "../../../protocol/wire/claim.js";
import { encodeSignedClaims } from "../../../protocol/wire/sync.js";
import { encodeConfiguration, encodeTime } from "../../../protocol/wire/trust.js";
import { boardFault } from "../../../runtime/journal/store.js";
import { gate } from "../../../runtime/role/gate.js";
import { openSetup } from "../../../runtime/setup.js";
import { beginClaim, finishClaim } from "../../../runtime/sync/claim.js";
import { makeSync, type Sync } from "../../../runtime/sync/sync.js";
import { makeTerminal } from "../../../runtime/terminal.js";
import { makeCorrespondent, talk } from "../../runtime/correspondent.js";
import { makeProvider, publicOf, secretOf, start, daySeconds, type Provider, type Station, type World } from "../../session/world.js";
import { violation } from "../violation.js";

interface Box { cells: FaultyStore; journal: MemoryStore; keys: SimKeys; /** Changes of the key store until it is cut; −1 never. */ keyChanges: number; cutKeysAt: number }
const provider: Provider = makeProvider();
const terminalId = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
const code = makeClaimCode(crypto.sha256(new Uint8Array([4])));

/** A key store whose changes are atomic, and which power leaves just before or just after the n-th. */
function watched(box: Box, after: boolean): SimKeys {
  const change = <T>(work: () => T): T => {
    box.keyChanges++;
    const cut = box.keyChanges === box.cutKeysAt;
    if (cut && !after) throw boardFault("broken", "Power is off: restart the board.");
    const done = work();
    if (cut) throw boardFault("broken", "Power is off: restart the board.");
    return done;
  };
  const keys = box.keys;
  return { ...keys, make: (name) => change(() => keys.make(name)), rename: (from, to) => change(() => keys.rename(from, to)) };
}

function boardOf(box: Box, after = false): SimBoard {
  const clock = makeSimClock(start);
  const board = makeSimBoard({ name: "box", crypto, clock, link: makeSimLine().a, keys: watched(box, after), store: box.journal, cells: box.cells as unknown as MemoryStore, inflate: () => undefined });
  return board;
}
const fresh = (): Box => ({ cells: makeFlash({ pageBytes: 8192, pages: 2 }), journal: makeMemoryStore({ pageBytes: 4096, pages: 4 }), keys: makeSimKeys(crypto, makeSimRandom(crypto, "keys")), keyChanges: 0, cutKeysAt: -1 });
/** Power comes back. */
function again(box: Box): Box {
  return { ...box, cells: box.cells.restarted(), journal: box.journal.restarted(), keyChanges: 0, cutKeysAt: -1 };
}

function certificateFor(signingKey: Uint8Array, agreementKey: Uint8Array, expires: number): Uint8Array {
  const secret = provider.secrets["certificates"]!;
  const claims = encodeTerminalCertificate({
    zones: [1], expires, notBefore: start - 10 * daySeconds, terminalId, signingKey, agreementKey, role: terminalRole.gate, kinds: ["ticket"], most: 0, currency: 978, name: "box", merchant: "hall", group: 0,
  });
  const kid = shortKeyId(crypto, publicOf(secret));
  return encodeSignedClaims(kid, claims, crypto.sign(secret, terminalToSign(kid, claims)));
}

/** The host's answer to a claim: the same request gets the same keys certified. */
function granted(bytes: Uint8Array): Uint8Array {
  const request = splitMac(bytes)!.content;
  const asked = decodeClaimRequest(request)!;
  const configuration = {
    issuer: provider.name, subject: "0102030405060708", expires: start + 400 * daySeconds, issuedAt: start, number: 1, leastSoftware: 0, zones: [1], takes: [{ kind: "ticket", action: 1, zone: 1 }], tariffs: [],
    useMost: { currency: 978, amount: 0 }, usesADay: 10, boxADay: 0, freshSeconds: daySeconds, offlineSeconds: 7 * daySeconds, reducedSeconds: 30 * daySeconds, lists: [], reopen: 1, resumeSeconds: 600, passageMs: 8000,
  };
  const plain = encodeClaimGranted({
    provider: provider.name, terminalId, root: publicOf(provider.root), spareRoot: publicOf(secretOf(provider.name + " spare")), roles: provider.objects,
    certificate: certificateFor(asked.signingKey, asked.agreementKey, start + 4 * daySeconds), configuration: signObject(crypto, "configuration", provider.secrets["configuration"]!, encodeConfiguration(configuration)),
    time: signObject(crypto, "time", provider.secrets["status"]!, encodeTime({ issuer: provider.name, at: start, nonce: undefined })), group: new Uint8Array(0),
  });
  return sealAnswer(crypto, claimKeys(crypto, readClaimCode(code)!.secret, asked.nonce), request, secretOf("claim"), asked.agreementKey, plain)!;
}

/** First contact on what is there; what a failing device throws is a cut. */
function enrolBox(box: Box, after = false): string {
  try {
    const board = boardOf(box, after);
    const claim = beginClaim(board, code, "gate", new Uint8Array(4))!;
    const done = finishClaim(board, claim, granted(claim.bytes));
    return "digits" in done ? "" : done.wrong;
  } catch (error) {
    if ((error as { kind?: string }).kind === undefined) throw error;
    return "cut";
  }
}

function stationOf(box: Box, after = false): { station: Station; sync: Sync } {
  const board = boardOf(box, after);
  const terminal = makeTerminal(board, gate, media.serial, openSetup(board));
  return { station: { board, terminal, world: { provider } as World } as Station, sync: makeSync(terminal) };
}

/** One renewal over the road; the host certifies what it is offered. */
function renewBox(box: Box, after = false): void {
  const { station, sync } = stationOf(box, after);
  const host = makeCorrespondent();
  host.at = () => start;
  host.renew = (x) => certificateFor(x.signingKey, x.agreementKey, start + 30 * daySeconds);
  for (let letters = 0; letters < 6 && station.terminal.outOfService === ""; letters++) talk(sync, host, station, () => "through", 1);
}

/** Certificate and keys are of one pair, and a letter sealed to the agreement key of before still opens. */
function whatIsWrong(box: Box, agreementBefore: Uint8Array | undefined): string | undefined {
  const { station, sync } = stationOf(box);
  const t = station.terminal;
  const held = t.setup.certificate?.decoded;
  if (held === undefined) return "no certificate";
  if (t.outOfService !== "") return t.outOfService;
  if (!equal(held.signingKey, t.board.keys.publicKey("signing")!)) return "it would sign with another key than its certificate names";
  if (!equal(held.agreementKey.subarray(1), t.board.keys.publicKey("agreement")!.subarray(1))) return "its presentations could not be opened";
  if (agreementBefore === undefined) return undefined;
  const names = ["agreement", "agreement-old"].filter((name) => box.keys.publicKey(name) !== undefined && equal(box.keys.publicKey(name)!, agreementBefore));
  if (names.length === 0) return "letters to the key of before can no longer be opened";
  return sync.who.openers.includes(names[0]!) ? undefined : "the key of before opens nothing";
}

/** Cuts a step at every operation of its cells and every change of its keys; then finishes it. */
function cutStep(result: Result, name: string, prepare: () => Box, step: (box: Box, after?: boolean) => unknown, damage: number, check: (box: Box, before: Uint8Array | undefined) => string | undefined): void {
  const collect = collectInto(result);
  const probe = prepare();
  step(probe);
  const operations = probe.cells.operations.length;
  const changes = probe.keyChanges;
  const points: (() => { box: Box; where: string })[] = [];
  for (let n = 1; n <= operations; n++) for (let seed = 0; seed < damage; seed++) points.push(() => {
    const box = prepare();
    box.cells.cutAt(n, seed);
    step(box);
    return { box, where: `cells at ${n}, damage ${seed}` };
  });
  for (let n = 1; n <= changes; n++) for (const after of [false, true]) points.push(() => {
    const box = prepare();
    box.cutKeysAt = n;
    step(box, after);
    return { box, where: `keys ${after ? "after" : "before"} change ${n}` };
  });
  for (const point of points) {
    const before = prepare().keys.publicKey("agreement");
    const { box, where } = point();
    collect(box.cells);
    result.points++;
    const problem = check(again(box), before);
    if (problem !== undefined) result.violations.push(violation(`${name}, ${where}`, `I15 ${problem}`));
  }
}

function enrolled(): Box {
  const box = fresh();
  const wrong = enrolBox(box);
  if (wrong !== "") throw new Error(wrong);
  return again(box);
}

export function keys(result: Result, damage: number): void {
  cutStep(result, "first contact", fresh, enrolBox, damage, (box) => {
    const wrong = enrolBox(box);
    return wrong !== "" ? wrong : whatIsWrong(again(box), undefined);
  });
  cutStep(result, "renewal", enrolled, renewBox, damage, (box, before) => {
    const wrong = whatIsWrong(box, before);
    if (wrong !== undefined) return wrong;
    const later = again(box);
    renewBox(later);
    const cell = openSetup(boardOf(again(later))).certificate;
    if (cell === undefined || cell.decoded.expires !== start + 30 * daySeconds) return "the renewal is never finished";
    return whatIsWrong(again(later), undefined);
  });
}
