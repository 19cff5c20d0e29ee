/**
 * A host without HTTP and devices without machines: every letter, claim and record is made here by hand, so that a test may
 * also make those that no honest device would. Nothing sleeps; time stands still until a test moves it.
 */
import { inMemory } from "../../host/database.js";
import { takeEnvelope, type Count } from "../../host/device.js";
import { openHost, type OpenHost } from "../../host/host.js";
import type { Machine } from "../../host/machine.js";
import type { Processor } from "../../host/payment/processor.js";
import { addIssuer, addMerchant, addProduct, sell, type NewProduct } from "../../host/products.js";
import { addTerminal, claim, type NewTerminal } from "../../host/terminals.js";
import { nobleCrypto } from "../../protocol/crypto/noble/noble.js";
import { nodeCcm, nodeCrypto } from "../../protocol/crypto/node/node.js";
import { copy, join } from "../../protocol/wire/bytes.js";
import { certificateId } from "../../protocol/wire/certificate.js";
import { claimKeys, macRequest, openAnswer, readAnswer, readClaimCode } from "../../protocol/wire/claim.js";
import { encodeEntry, type Entry } from "../../protocol/wire/entry.js";
import { encodeMessage, openEnvelope, readEnvelope, sealEnvelope, verifyMessage, type Message } from "../../protocol/wire/envelope.js";
import { acknowledgementToSign, encodeFinishedA, encodeReceipt, encodeReversal, receiptToSign, reversalToSign, type Receipt } from "../../protocol/wire/receipt.js";
import { keyId, signObject } from "../../protocol/wire/signed.js";
import * as handsetLetters from "../../protocol/wire/handset-letters.js";
import * as contact from "../../protocol/wire/claim.js";
import * as w from "../../protocol/wire/sync.js";
import { digest16 } from "../../protocol/wire/value.js";

/** Native speed, deterministic signatures (RFC 6979). */
export const crypto = { ...nodeCrypto, sign: nobleCrypto.sign };
export const password = "correct horse battery";
export const start = 1_800_000_000;

/** A machine whose clock is moved by `advance`, whose randomness follows from `seed` and whose slow hash is quick. */
export interface TestMachine extends Machine { advance(seconds: number): void; /** Runs what waits, whatever its time. */ ring(): void }
export function testMachine(seed: string, more: Partial<Machine> = {}): TestMachine {
  let at = start;
  let drawn = 0;
  const waiting = new Set<() => void>();
  const block = (): Uint8Array => crypto.sha256(new TextEncoder().encode(`${seed} ${drawn++}`));
  return {
    crypto, ccm: nodeCcm, now: () => at, advance: (seconds) => { at += seconds; }, ring: () => { for (const work of [...waiting]) { waiting.delete(work); work(); } },
    random: (length) => copy(join(Array.from({ length: Math.ceil(length / 32) }, block)), 0, length),
    after: (_milliseconds, work) => { waiting.add(work); return () => { waiting.delete(work); }; },
    slowHash: (text, salt) => Promise.resolve(crypto.hmac(salt, new TextEncoder().encode(text))), ...more,
  };
}

export interface World extends OpenHost { machine: TestMachine; counted: Record<string, number>; count: Count }
export async function openWorld(seed = "seed", folder = inMemory, more: Partial<Machine> = {}, processors: readonly Processor[] = []): Promise<World> {
  const machine = testMachine(seed, more);
  const counted: Record<string, number> = {};
  return { ...(await openHost({ folder, name: "example", machine, processors })), machine, counted, count: (result) => { counted[result] = (counted[result] ?? 0) + 1; } };
}

export const concert: NewProduct = { product: "concert", name: "Concert", kind: "ticket", sort: "ticket", price: 3000, zones: [1], until: start + 90 * 86_400, issuer: "box", merchantShare: 9000 };
export const ten: NewProduct = { ...concert, product: "ten", name: "Ten swims", kind: "coupon", sort: "coupons", most: 10, price: 5000 };
export const card: NewProduct = { ...concert, product: "card", name: "Card", kind: "card", sort: "prepaid", most: 2000, price: 2000 };

/** A merchant, an issuer, and a ticket, a coupon book and a card to sell. */
export async function openShop(x: World): Promise<void> {
  await addMerchant(x.context, { merchant: "hall", name: "Hall" });
  await addIssuer(x.context, { issuer: "box", name: "Box office" });
  for (const product of [concert, ten, card]) await addProduct(x.context, product);
}

// ---- devices ----------------------------------------------------------------------------------------------------------------

export interface Device { signing: Uint8Array; agreement: Uint8Array; kid: Uint8Array; next: number }
export function makeDevice(x: { machine: TestMachine }): Device {
  const signing = newSecret(x);
  return { signing, agreement: newSecret(x), kid: keyId(crypto, crypto.publicKey(signing)!), next: 1 };
}
/** A scalar whose point has even y. */
export function newSecret(x: { machine: TestMachine }): Uint8Array {
  for (;;) {
    const secret = x.machine.random(32);
    if (crypto.publicKey(secret)?.[0] === 2) return secret;
  }
}

/** A sealed letter of this device to the host; `more` changes what is signed. */
export function letter(x: World, d: Device, type: number, body: Uint8Array, more: Partial<Message> = {}): Uint8Array {
  const keys = x.context.keys;
  const claims = encodeMessage({ recipient: keys.kid("envelope"), at: x.machine.now(), quality: 2, sequence: d.next++, type, body, answers: undefined, certificate: undefined, ...more });
  return seal(x, signObject(crypto, "message", d.signing, claims));
}
export function seal(x: World, signed: Uint8Array): Uint8Array {
  return sealEnvelope(crypto, signed, { ephemeral: newSecret(x), nonce: x.machine.random(12), recipientKey: x.context.keys.publicKey("envelope"), least: 0 })!;
}

export const deliverLetter = (x: World, bytes: Uint8Array): Promise<Uint8Array | undefined> => takeEnvelope(x.context, x.broker, bytes, x.count);

/** The host's message in an answer to this device; throws when it is not a genuine one. */
export function open(x: World, d: Device, answer: Uint8Array): Message {
  const sealed = readEnvelope(answer)!;
  const signed = openEnvelope(crypto, sealed, crypto.publicKey(d.agreement)!, crypto.agree(d.agreement, sealed.ephemeral)!)!;
  return verifyMessage(crypto, signed, [{ kid: x.context.keys.kid("sender"), publicKey: x.context.keys.publicKey("sender") }], sealed.recipient)!;
}

/** Sends one letter; answers the body of the host's word, undefined when it said nothing at all. */
export async function ask(x: World, d: Device, type: number, body: Uint8Array, more: Partial<Message> = {}): Promise<Uint8Array | undefined> {
  const answer = await deliverLetter(x, letter(x, d, type, body, more));
  return answer === undefined ? undefined : open(x, d, answer).body;
}

export interface Enrolling { user: string; password: string; phone: string; keyClass: number; consent: Uint8Array; code: string }
export async function enrol(x: World, user: string, more: Partial<Enrolling> = {}, d = makeDevice(x)): Promise<Device & { said: handsetLetters.HandsetEnrolled }> {
  const body = handsetLetters.encodeHandsetEnrolment({ user, password, phone: "", keyClass: 2, consent: new Uint8Array(0), code: "", signingKey: crypto.publicKey(d.signing)!, agreementKey: crypto.publicKey(d.agreement)!, ...more });
  return Object.assign(d, { said: handsetLetters.decodeHandsetEnrolled((await ask(x, d, w.messageType.enrolHandset, body))!)! });
}

/** A value on a handset: its own key beside its certificate. */
export interface Held { valueId: Uint8Array; secret: Uint8Array; claims: Uint8Array; delivered: handsetLetters.Delivered }
export async function collect(x: World, d: Device, code = ""): Promise<Held[]> {
  const offers = handsetLetters.decodeOffers((await ask(x, d, w.messageType.collect, handsetLetters.encodeCollect(code)))!)!;
  const secrets = offers.map(() => newSecret(x));
  const body = handsetLetters.encodeOfferKeys(offers.map((o, i) => ({ offer: o.offer, publicKey: crypto.publicKey(secrets[i]!)!, keyClass: 2 })));
  const delivered = handsetLetters.decodeDelivered((await ask(x, d, w.messageType.deliver, body))!)!;
  return delivered.map((v) => {
    const i = offers.findIndex((o) => Buffer.compare(o.offer, v.offer) === 0);
    const { claims } = w.decodeSignedClaims(v.value)!;
    const row = Buffer.from(claims);
    const at = row.indexOf(Buffer.from([0x07, 0x48]));
    return { valueId: new Uint8Array(row.subarray(at + 2, at + 10)), secret: secrets[i]!, claims, delivered: v };
  });
}

/** A member with an enrolled handset and one value of this product on it. */
export async function holder(x: World, user: string, product: string): Promise<{ phone: Device & { said: handsetLetters.HandsetEnrolled }; value: Held }> {
  const phone = await enrol(x, user);
  await sell(x.context, { product, user, reference: `${product} of ${user}`, paid: "desk" });
  return { phone, value: (await collect(x, phone))[0]! };
}

// ---- terminals --------------------------------------------------------------------------------------------------------------

export interface Box extends Device { id: string; code: string; identity: Uint8Array; certificate: Uint8Array; certificateId: Uint8Array; granted: contact.ClaimGranted; entries: Uint8Array[]; head: Uint8Array; tap: number }
export const gateOf = (more: Partial<NewTerminal> = {}): NewTerminal => ({
  name: "North", role: "gate", merchant: "hall", zones: [1],
  takes: [{ kind: "ticket", action: 1, zone: 1 }, { kind: "coupon", action: 1, zone: 1 }, { kind: "card", action: 3, zone: 1 }], most: 2000, ...more,
});

/** A claim request and what seals it; `keys` are identity, signing and agreement secrets. */
export function claimRequest(x: World, code: string, keys: Uint8Array[], nonce = x.machine.random(16)): { bytes: Uint8Array; request: Uint8Array; open(answer: Uint8Array): contact.ClaimGranted } {
  const read = readClaimCode(code)!;
  const [identityKey, signingKey, agreementKey] = keys.map((k) => crypto.publicKey(k)!);
  const request = contact.encodeClaimRequest({ lookup: read.lookup, nonce, identityKey: identityKey!, signingKey: signingKey!, agreementKey: agreementKey!, model: "test", software: new Uint8Array(4) });
  const derived = claimKeys(crypto, read.secret, nonce);
  return {
    request, bytes: macRequest(crypto, derived, request),
    open: (answer) => {
      const parts = readAnswer(crypto, derived, request, answer)!;
      return contact.decodeClaimGranted(openAnswer(crypto, request, parts.point, crypto.agree(keys[2]!, parts.point)!, parts.sealed)!)!;
    },
  };
}

export async function enrolBox(x: World, terminal = gateOf()): Promise<Box> {
  const { terminalId, claimCode } = await addTerminal(x.context, terminal);
  const [identity, signing, agreement] = [newSecret(x), newSecret(x), newSecret(x)];
  const asked = claimRequest(x, claimCode, [identity, signing, agreement]);
  const granted = asked.open((await claim(x.context, asked.bytes))!);
  const { claims } = w.decodeSignedClaims(granted.certificate)!;
  return {
    id: terminalId, code: claimCode, identity, signing: identity, agreement, kid: keyId(crypto, crypto.publicKey(identity)!), next: 1, granted, certificate: granted.certificate,
    certificateId: certificateId(crypto, claims), entries: [], head: new Uint8Array(16), tap: 0, tapSecret: signing,
  } as Box & { tapSecret: Uint8Array };
}
export const tapSecret = (box: Box): Uint8Array => (box as Box & { tapSecret: Uint8Array }).tapSecret;

/** The next receipt of a value's chain, as this box would sign it. */
export interface Link { receipt: Uint8Array; record: Uint8Array; fields: Receipt; entry: Entry }
export function use(x: World, box: Box, v: Held, before: Link | undefined, more: Partial<Receipt> = {}, forge: { signer?: Uint8Array; holder?: Uint8Array } = {}): Link {
  const amount = more.amount ?? 1;
  const fields: Receipt = {
    kind: 1, terminal: box.certificateId, tap: new Uint8Array([0, 0, 0, ++box.tap]), valueId: v.valueId, counter: (before?.fields.counter ?? 0) + 1,
    previous: digest16(crypto, before?.receipt ?? v.claims), action: 1, amount, after: (before?.fields.after ?? 0) + amount, at: x.machine.now(), quality: 2, until: 0, base: undefined, fold: undefined, ...more,
  };
  const receipt = encodeReceipt(fields);
  const record = encodeFinishedA({
    terminalId: new Uint8Array(Buffer.from(box.id, "hex")), receipt, signature: crypto.sign(forge.signer ?? tapSecret(box), receiptToSign(receipt)),
    acknowledgement: crypto.sign(forge.holder ?? v.secret, acknowledgementToSign(crypto, receipt)),
  });
  return { receipt, record, fields, entry: { kind: "finished", profile: "A", record, valueKind: "ticket", own: true, ownerSequence: 0, statusIndex: 0, expires: 0 } };
}
export function reversal(x: World, box: Box, of: Link, signer = tapSecret(box)): Entry {
  const bytes = encodeReversal({ terminal: box.certificateId, tap: of.fields.tap, valueId: of.fields.valueId, counter: of.fields.counter, receipt: digest16(crypto, of.receipt), reason: 1, at: x.machine.now() });
  return { kind: "reversal", reversal: bytes, proof: crypto.sign(signer, reversalToSign(bytes)) };
}

/** Appends entries to the box's journal; the chain's head follows. */
export function journal(box: Box, ...entries: (Entry | Uint8Array)[]): void {
  for (const e of entries) box.entries.push(e instanceof Uint8Array ? e : encodeEntry(e));
}
export function headAfter(entries: readonly Uint8Array[]): Uint8Array {
  let head: Uint8Array = new Uint8Array(16);
  for (const bytes of entries) head = copy(crypto.sha256(join([head, bytes])), 0, 16);
  return head;
}
/** Entries `first` … `last` of the journal as a batch. */
export function batchOf(box: Box, first = 1, last = box.entries.length, more: Partial<w.Batch> = {}): Uint8Array {
  return w.encodeBatch({ boot: 1, first, entries: box.entries.slice(first - 1, last), head: headAfter(box.entries.slice(0, last)), ...more });
}
/** Sends a batch; answers through where the host has it, undefined when it said nothing. */
export async function sync(x: World, box: Box, body = batchOf(box)): Promise<number | undefined> {
  const answer = await ask(x, box, w.messageType.records, body, { quality: 0 });
  return answer === undefined ? undefined : w.decodeBatchTaken(answer)?.through;
}
export async function pull(x: World, box: Box, more: Partial<w.Pull> = {}): Promise<w.News | undefined> {
  const body = w.encodePull({ configuration: 0, list: 0, digest: new Uint8Array(8), nonce: new Uint8Array(8), knownTerminals: 0, ...more });
  const answer = await ask(x, box, w.messageType.pull, body);
  return answer === undefined ? undefined : w.decodeNews(answer);
}
