/**
 * A handset on a Node machine: its wallet and keys in a folder, its letters by HTTP, its line to a terminal by serial. The
 * command line and the venue use it; a phone app does the same over its own key store.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { makeClock } from "./clock.js";
import { openFileStore, type FileStore } from "./file-store.js";
import { openKeys } from "./keys.js";
import { random } from "./machine.js";
import { HostRefused, postEnvelope, readProvider } from "./network.js";
import type { Clock, Keys } from "../../runtime/board.js";
import { openCells, readCell, writeCell, type Cells } from "../../runtime/journal/cells.js";
import { boardFault } from "../../runtime/journal/store.js";
import { readAnswer, writeLetter, type Correspondent } from "../../runtime/sync/letters.js";
import { keysFor, refreshBody, regrantBody, reportBody, takeDelivered, takeRefreshed, takeRegranted } from "../../runtime/sync/handset-sync.js";
import { decodeTrust, encodeTrust, makeTrust, newestOf, takeObject, type Trust } from "../../runtime/sync/trust.js";
import { openWallet, valueOf, type WalletState } from "../../runtime/value/wallet.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { hex } from "../../protocol/wire/bytes.js";
import { acknowledgementToSign } from "../../protocol/wire/receipt.js";
import { encodeSigned, keyId, objectToSign } from "../../protocol/wire/signed.js";
import { decodeDelivered, decodeHandsetEnrolled, decodeOffers, decodeReported, encodeCollect, encodeDeviceConsent, encodeHandsetEnrolment, enrolmentRefusals } from "../../protocol/wire/handset-letters.js";
import { decodeReceived, encodeReceived } from "../../protocol/wire/order-letters.js";
import { decodeSignedClaims, messageType } from "../../protocol/wire/sync.js";
import { decodeValue } from "../../protocol/wire/value.js";

export interface Phone {
  readonly folder: string; readonly host: string; readonly user: string; readonly cells: Cells; readonly store: FileStore; readonly keys: Keys; readonly trust: Trust; readonly wallet: WalletState;
  readonly who: Correspondent; readonly clock: Clock; readonly random: typeof random; readonly crypto: typeof crypto;
}

/** Two pages of 1 MiB hold some thousand values with their receipts. */
const pages = { pageBytes: 1 << 20, pages: 2 };
/** Keys in a file are software keys (`trust.md` §1). */
const softwareKeys = 2;

/** Opens an enrolled handset. Throws a `BoardError` that says to enrol when it is none. */
export function openPhone(folder: string, clock: Clock = makeClock()): Phone {
  if (!existsSync(join(folder, "wallet"))) throw notEnrolled(folder);
  const store = openFileStore(join(folder, "wallet"), pages);
  try {
    const cells = openCells(store);
    const trust = readCell(cells, "trust");
    const decoded = trust === undefined ? undefined : decodeTrust(crypto, trust);
    const host = readCell(cells, "host");
    if (decoded === undefined || host === undefined) throw notEnrolled(folder);
    return phoneOf(folder, Buffer.from(host).toString("utf8"), Buffer.from(readCell(cells, "user") ?? []).toString("utf8"), cells, store, decoded, clock);
  } catch (error) {
    store.close();
    throw error;
  }
}

const notEnrolled = (folder: string) => boardFault("absent", `${folder} holds no enrolled handset: run "kaisatsu handset enrol" first.`);

/** True when the folder holds an enrolled handset. Throws a `BoardError` when another process uses it. */
export function isPhone(folder: string): boolean {
  if (!existsSync(join(folder, "wallet"))) return false;
  const store = openFileStore(join(folder, "wallet"), pages);
  try {
    return readCell(openCells(store), "user") !== undefined;
  } finally {
    store.close();
  }
}

function phoneOf(folder: string, host: string, user: string, cells: Cells, store: FileStore, trust: Trust, clock: Clock): Phone {
  const keys = openKeys(join(folder, "keys.json"), crypto);
  const next = Number(Buffer.from(readCell(cells, "sequence") ?? []).toString("utf8") || "0");
  const who: Correspondent = {
    crypto, keys, random, trust, signer: "device", openers: ["device agreement"], next, ceiling: next,
    reserve: (ceiling) => writeCell(cells, "sequence", new Uint8Array(Buffer.from(String(ceiling)))),
  };
  return { folder, host, user, cells, store, keys, trust, wallet: openWallet(cells), who, clock, random, crypto };
}

/** Posts one letter and answers the body of the host's word. Throws a `BoardError` when there is no answer. */
export async function talk(p: Phone, type: number, body: Uint8Array): Promise<Uint8Array> {
  const time = p.clock.utc();
  const letter = writeLetter(p.who, type, body, time.at, time.quality);
  const answer = letter === undefined ? undefined : await postEnvelope(p.host, letter.bytes, 15_000);
  const message = letter === undefined || answer === undefined ? undefined : readAnswer(p.who, letter, answer);
  if (message === undefined) throw boardFault("timed_out", `The host at ${p.host} did not answer: check that it is running, and try again.`);
  if (message.body.length === 0) throw new HostRefused("The host did not take this letter: is this handset still one of its own?");
  return message.body;
}

/**
 * What shows that an account is ours: consent of a handset it has (for the key id it is given), its recovery code, or the
 * invitation that came with a value. `agrees` sees whom we are about to trust before the password leaves this machine.
 */
export interface EnrolmentProof { consent?: (kid: Uint8Array) => Uint8Array; code?: string; agrees?: (provider: string, rootId: string) => Promise<boolean>; /** This machine's when left out. */ clock?: Clock }

/**
 * Enrols a new handset: trust in the provider, its own keys, an account. Answers the recovery code, shown once, empty when
 * the account keeps the one it has. Rejects with `HostRefused`, or a `BoardError` when there is no host.
 */
export async function enrolPhone(folder: string, host: string, user: string, password: string, phoneNumber: string, proof: EnrolmentProof = {}): Promise<{ phone: Phone; recovery: string }> {
  const page = await readProvider(host);
  if (proof.agrees !== undefined && !(await proof.agrees(page.provider, hex(keyId(crypto, page.root))))) throw new HostRefused("Not enrolled: this is not the provider that was meant. Nothing was sent.");
  const store = openFileStore(join(folder, "wallet"), pages);
  try {
    const cells = openCells(store);
    const trust = makeTrust(crypto, page.provider, page.root, page.spareRoot);
    for (const role of page.roles) takeObject(trust, role);
    if (newestOf(trust, "envelope") === undefined) throw boardFault("broken", `The host at ${host} shows keys that its own root did not sign: do not use it, and tell its operator.`);
    const phone = phoneOf(folder, host, user, cells, store, trust, proof.clock ?? makeClock());
    const signingKey = phone.keys.publicKey("device") ?? phone.keys.make("device")!;
    const agreementKey = phone.keys.publicKey("device agreement") ?? phone.keys.make("device agreement")!;
    const body = await talk(phone, messageType.enrolHandset, encodeHandsetEnrolment({ user, password, phone: phoneNumber, signingKey, agreementKey, keyClass: softwareKeys, consent: proof.consent?.(keyId(crypto, signingKey)) ?? new Uint8Array(0), code: proof.code ?? "" }));
    const said = decodeHandsetEnrolled(body);
    if (said === undefined || said.code !== 0) throw new HostRefused(`Not enrolled: ${enrolmentRefusals[said?.code ?? 1]}.`);
    writeCell(cells, "trust", encodeTrust(trust));
    writeCell(cells, "host", new Uint8Array(Buffer.from(host)));
    writeCell(cells, "user", new Uint8Array(Buffer.from(user)));
    return { phone, recovery: said.recovery };
  } catch (error) {
    store.close();
    throw error;
  }
}

/** This handset's word that another one, by its key id, may stand beside it in its account; good for ten minutes. */
export function consentTo(p: Phone, user: string, kid: Uint8Array): Uint8Array {
  const claims = encodeDeviceConsent({ user, kid, at: p.clock.utc().at });
  const own = keyId(crypto, p.keys.publicKey("device")!);
  return encodeSigned("device", own, claims, p.keys.sign("device", objectToSign("device", own, claims))!, false);
}

/** Takes what the provider says to everybody: new role keys, and the ends of terminals. */
async function learn(p: Phone): Promise<void> {
  const page = await readProvider(p.host);
  const isNew = [...page.roles, ...page.revocations].map((object) => takeObject(p.trust, object)).some((taken) => taken);
  if (isNew) writeCell(p.cells, "trust", encodeTrust(p.trust));
}

/** Fetches what was bought, some values a letter; `invitation` frees what is held for us. Answers the names of the values that are new. */
export async function collect(p: Phone, invitation = ""): Promise<string[]> {
  const names: string[] = [];
  await learn(p);
  await confirmStored(p);
  for (let code = invitation; ; code = "") {
    const offers = decodeOffers(await talk(p, messageType.collect, encodeCollect(code)));
    if (offers === undefined || offers.length === 0) return names;
    const before = new Map(p.wallet.values.map((v) => [hex(v.value.valueId), v.given === "" ? v.value.ownerSequence : -1]));
    const body = await talk(p, messageType.deliver, keysFor(p.keys, offers, softwareKeys));
    // Before they are stored, so that a cut in between forgets none; only what is stored then is confirmed.
    writeCell(p.cells, unconfirmed, encodeReceived(valuesIn(body)));
    const taken = takeDelivered(p.wallet, p.trust, p.keys, body);
    await confirmStored(p);
    names.push(...taken.filter((t) => before.get(hex(t.valueId)) !== valueOf(p.wallet, t.valueId)!.value.ownerSequence).map((t) => t.name));
    if (taken.length === 0) return names;
  }
}

const unconfirmed = "unconfirmed";
const valuesIn = (body: Uint8Array): Uint8Array[] => (decodeDelivered(body) ?? []).flatMap((d) => { const signed = decodeSignedClaims(d.value); const value = signed === undefined ? undefined : decodeValue(signed.claims); return value === undefined ? [] : [value.valueId]; });

/** Tells the host what is durable here and was not confirmed yet: it offers that again until it hears so. */
async function confirmStored(p: Phone): Promise<void> {
  const list = decodeReceived(readCell(p.cells, unconfirmed) ?? new Uint8Array(0)) ?? [];
  const here = list.filter((id) => valueOf(p.wallet, id) !== undefined);
  if (here.length > 0) await talk(p, messageType.received, encodeReceived(here));
  if (list.length > 0) writeCell(p.cells, unconfirmed, encodeReceived([]));
}

/** Asks for a new base, and for the grant of the present epoch where the value has one; 0, or the host's refusal code. */
export async function refresh(p: Phone, valueId: Uint8Array): Promise<number> {
  const granted = regrantBody(p.wallet, valueId);
  if (granted !== undefined) takeRegranted(p.wallet, valueId, await talk(p, messageType.regrant, granted));
  const body = refreshBody(p.wallet, valueId);
  return body === undefined ? -1 : takeRefreshed(p.wallet, p.trust, valueId, await talk(p, messageType.refresh, body));
}

/** Compares a value's receipts with the books; a state for each (0 agrees, 1 not heard yet, 2 undone, 3 differs). */
export async function report(p: Phone, valueId: Uint8Array): Promise<number[]> {
  const body = reportBody(p.wallet, p.keys, crypto, valueId, (receipt) => acknowledgementToSign(crypto, receipt));
  return body === undefined ? [] : (decodeReported(await talk(p, messageType.report, body)) ?? []);
}

