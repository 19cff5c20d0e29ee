/** `kaisatsu inspect`: bytes of every layer become the words a person would use, and rubbish is said to be rubbish. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { kaisatsu } from "./command-line.js";
import { seeded, toHex } from "../published.js";
import { generate } from "../wire/cddl.js";
import { beyond, grammar, makers } from "../wire/codecs.js";
import { inspect, printed } from "../../boards/bench/inspect.js";
import { bytesFrom } from "../../boards/bench/inspect-input.js";
import { openFileStore } from "../../boards/node/file-store.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { beaconText, encodeBase45 } from "../../protocol/link/beacon.js";
import { cobs, encodeFrame } from "../../protocol/link/frame.js";
import { encodeRule } from "../../protocol/rule.js";
import { encodeAsk, encodeHello, encodeStop } from "../../protocol/wire/message.js";
import { encodeEntry } from "../../protocol/wire/entry.js";
import { encodeMessage } from "../../protocol/wire/envelope.js";
import { encodeFinishedA, encodeReceipt, type Receipt } from "../../protocol/wire/receipt.js";
import { encodeOrder } from "../../protocol/wire/order.js";
import { keyId, signObject } from "../../protocol/wire/signed.js";
import { encodeHandsetEnrolment, encodeReport } from "../../protocol/wire/handset-letters.js";
import { messageType } from "../../protocol/wire/sync.js";
import { encodeStatusList } from "../../protocol/wire/trust.js";
import { encodeValue, flag, unit } from "../../protocol/wire/value.js";
import { openCells, writeCell } from "../../runtime/journal/cells.js";
import { append } from "../../runtime/journal/journal.js";
import { openJournal } from "../../runtime/journal/recovery.js";
import { sir } from "../../protocol/link/sir.js";

const hello = encodeHello({
  version: 1, offer: 1, tap: new Uint8Array([0, 0, 0, 9]), nonce: new Uint8Array(32).fill(3), terminal: new Uint8Array(8).fill(4),
  want: { action: 1, kinds: ["ticket"], amount: 1, currency: undefined }, group: undefined,
});
const receipt: Receipt = {
  kind: 1, terminal: new Uint8Array(8), tap: new Uint8Array(4), valueId: new Uint8Array(8).fill(0xaa), counter: 2, previous: new Uint8Array(16),
  action: 1, amount: 1, after: 2, at: 1_800_000_000, quality: 2, until: 1_800_000_600, base: undefined, fold: undefined,
};

describe("what is printed", () => {
  test("a message", () => {
const lines = printed(inspect(hello)!);
    expect(lines[0]).toBe(`hello, ${hello.length} bytes`);
    expect(lines).toContain("  tap: 00000009");
    expect(inspect(encodeAsk(3))!.fields).toEqual({ what: "not_trusted" });
    expect(inspect(encodeStop(2))!.fields).toEqual({ refusal: "busy", code: 2 });
  });
  test("a receipt, with its time as a date", () => {
    const found = inspect(encodeReceipt(receipt))!;
    expect(found.is).toBe("receipt");
    expect(found.fields["at"]).toBe(1_800_000_000);
    expect(printed(found)).toContain("  at: 1800000000 (2027-01-15T08:00:00Z)");
    expect(printed(found)).toContain("  action: 1 (enter)");
    expect(found.fields["valueId"]).toBe("aaaaaaaaaaaaaaaa");
  });
  test("a value, with its rule in words", () => {
    const claims = encodeValue({
      kind: "book", expires: 2_000_000_000, notBefore: 1, valueId: new Uint8Array(8), holderKey: new Uint8Array(33).fill(2), unit: unit.uses, most: 10,
      currency: undefined, zones: [1], rule: encodeRule([[1, 2]]), offline: { uses: 3, amount: 3, days: 7 }, ownerSequence: 0, flags: flag.transferable, statusIndex: 5, issuerPart: new Uint8Array(16),
    });
    expect(inspect(claims)!.fields["rule"]).toEqual(["perDay 2"]);
  });
  test("frames on a line, both wrappings, with what they carry", () => {
    for (const wrapping of [cobs, sir] as const) {
      const found = inspect(encodeFrame(wrapping, { link: 16 | 4, payload: hello }, 2))!;
      expect(JSON.stringify(found)).toContain("from terminal, first of a session, number 0");
      expect(JSON.stringify(found)).toContain('"is":"hello"');
    }
  });
  test("other deterministic CBOR is shown as it is; anything else is nothing", () => {
    expect(inspect(Uint8Array.of(0xa1, 2, 3))!.is).toBe("CBOR");
    expect(inspect(Uint8Array.of(0xbf, 0xff))).toBeUndefined();
    expect(inspect(new Uint8Array(0))).toBeUndefined();
  });
});

const noInput = () => new Uint8Array(0);
test("bytes come as hexadecimal, base64 or a file", () => {
  expect(bytesFrom(["82", "06", "00"], noInput)).toEqual(Uint8Array.of(0x82, 6, 0));
  expect(bytesFrom(["ggYA"], noInput)).toEqual(Uint8Array.of(0x82, 6, 0));
  expect(bytesFrom(["package.json"], noInput)![0]).toBe(0x7b);
  expect(bytesFrom(["no such thing!"], noInput)).toBeUndefined();
});

test("exit codes: 0 known, 1 unknown bytes, 2 a wrong command line", async () => {
  for (const [code, ...argv] of [[0, "820600"], [1, "bfff"], [2], [2, "--colour"]] as const) expect(await kaisatsu(["inspect", ...argv])).toMatchObject({ code });
});

describe("every rule of the grammar that a stranger may meet is known by its name, whatever it holds", () => {
  const names: Record<string, string> = {
    hello: "hello", ask: "ask", certificate: "terminal certificate message", stop: "stop", presentation: "presentation, sealed", answer: "answer, sealed",
    acknowledgement: "acknowledgement, sealed", outcome: "outcome, sealed", shown: "shown value (plain text of a presentation)", "presentation-b": "presentation, profile B",
    "answer-b": "answer, profile B", "acknowledgement-b": "acknowledgement, profile B", "outcome-b": "outcome, profile B", "reversed-b": "outcome, profile B", beacon: "beacon",
    "user-id": "signed user id", granted: "answer (its plain text)", "granted-b": "answer (its plain text)", refused: "answer (its plain text)",
    "reversed-outcome": "outcome (its plain text)", "value-claims": "value claims", "terminal-claims": "terminal claims", receipt: "receipt", reversal: "reversal",
    "finished-a": "finished record, profile A", "finished-b": "finished record, profile B", entry: "journal entry, ", envelope: "envelope", value: "signed ", "signed-terminal": "signed terminal certificate",
    "signed-role": "signed object, role", "signed-revocation": "signed object, revocation", "signed-configuration": "signed object, configuration", "signed-status": "signed object, status",
    "signed-delta": "signed object, status-delta", "signed-time": "signed object, time", "signed-message": "signed object, message", "signed-device": "signed object, device",
    "role-claims": "role claims", "revocation-claims": "revocation claims", "configuration-claims": "terminal configuration", "status-claims": "status list", "delta-claims": "status list delta",
    "time-claims": "signed time's claims", "message-claims": "message to or from the host", news: "news", records: "journal entries for the host", pull: "question for news",
    renewal: "renewal of a terminal certificate", enrolment: "enrolment of a handset", "device-consent": "consent to another handset", "claim-request": "claim request",
    order: "order", bill: "bill", pay: "payment of a bill", identity: "identity of a handset", deed: "deed", "signed-identity": "signed object, identity", "signed-deed": "signed object, deed",
    "claim-granted": "what a claim grants", "group-keys": "group keys, profile B",
  };
  test.each(Object.entries(names))("%s: %s", (rule, is) => {
    const random = seeded(rule.length * 1009 + rule.charCodeAt(0));
    for (let i = 0; i < 25; i++) {
      const bytes = generate(grammar, rule, () => random.below(2 ** 32) / 2 ** 32, makers);
      if (beyond(rule, bytes)) continue;
      const found = inspect(bytes);
      expect(found?.is.slice(0, is.length), toHex(bytes)).toBe(is);
      expect(printed(found!).length).toBeGreaterThan(1);
    }
  });
});

describe("what stands inside is opened, and says who signed it", () => {
  const secret = new Uint8Array(32).fill(7);
  const signer = toHex(keyId(nodeCrypto, nodeCrypto.publicKey(secret)!));
  test("a status list names its signer and number, and does not claim to be checked", () => {
    const list = signObject(nodeCrypto, "status", secret, encodeStatusList({ issuer: "example", list: "values", expires: 1_800_000_000, issuedAt: 1_799_000_000, packed: new Uint8Array(11), ttl: 60, number: 5, auditHead: new Uint8Array(32) }));
    const lines = printed(inspect(list)!);
    expect(lines).toEqual(expect.arrayContaining(["  type: status", `  signer: ${signer}`, "    number: 5", "    expires: 1800000000 (2027-01-15T08:00:00Z)", "  checked: no: that needs the signer's key"]));
  });
  test("an order in a letter shows what is ordered, and not the password", () => {
    const body = encodeOrder({ id: new Uint8Array(8), who: { by: "typed", user: "aiko", password: "correct horse" }, parcels: [{ to: { kind: "payer" }, delivery: { by: "handset" }, at: 0, lines: [{ article: "concert", count: 2 }] }], demand: 0, attachments: [] });
    const message = encodeMessage({ recipient: new Uint8Array(8), at: 1_800_000_000, quality: 2, sequence: 3, type: messageType.order, body, answers: undefined, certificate: undefined });
    const text = printed(inspect(signObject(nodeCrypto, "message", secret, message))!).join("\n");
    expect(text).toContain("type: 32 (order)");
    expect(text).toContain("article: concert");
    expect(text).toContain("password: 13 characters, not shown");
    expect(text).not.toContain("correct horse");
  });
  test("a letter is opened down to the receipt in it; passwords, codes and keys are counted, not shown", () => {
    const body = encodeHandsetEnrolment({ user: "aiko", password: "correct horse", phone: "", signingKey: new Uint8Array(33).fill(2), agreementKey: new Uint8Array(33).fill(2), keyClass: 2, consent: new Uint8Array(0), code: "ABCD-EFGH" });
    const message = encodeMessage({ recipient: new Uint8Array(8), at: 1_800_000_000, quality: 2, sequence: 3, type: messageType.enrolHandset, body, answers: undefined, certificate: undefined });
    const text = printed(inspect(signObject(nodeCrypto, "message", secret, message))!).join("\n");
    expect(text).toContain("type: 16 (enrolment of a handset)");
    expect(text).toContain("password: 13 characters, not shown");
    expect(text).not.toMatch(/correct horse|ABCD/);
    const report = encodeMessage({ recipient: new Uint8Array(8), at: 1, quality: 2, sequence: 3, type: messageType.report, body: encodeReport([encodeFinishedA({ terminalId: new Uint8Array(8), receipt: encodeReceipt(receipt), signature: new Uint8Array(64), acknowledgement: new Uint8Array(64) })]), answers: undefined, certificate: undefined });
    expect(printed(inspect(report)!).join("\n")).toMatch(/records 1: finished record, profile A, \d+ bytes\n +terminalId: 0{16}\n +receipt: receipt, \d+ bytes\n +kind: 1/);
  });
  test("several frames in one read are all listed; an optical code is opened; text from outside moves no cursor", () => {
    const frame = (link: number, payload: Uint8Array) => encodeFrame(cobs, { link, payload }, 0);
    const both = new Uint8Array([...frame(16 | 4, hello), ...frame(128 | 4 | 2, encodeAsk(0)), ...frame(1, new Uint8Array(0))]);
    const found = inspect(both)!;
    expect(found.is).toBe("3 serial or BLE frames");
    expect(Object.keys(found.fields)).toEqual(["frame 1", "frame 2", "frame 3"]);
    const random = seeded(5);
    const beacon = generate(grammar, "beacon", () => random.below(2 ** 32) / 2 ** 32, makers);
    const code = inspect(new Uint8Array(Buffer.from(beaconText(beacon) + "\r\n")))!;
    expect(code.is).toBe("optical code");
    expect(printed(code)[1]).toMatch(/^ {2}carries: beacon, /);
    expect(printed(inspect(new Uint8Array([0x63, 0x1b, 0x5b, 0x32]))!).join("")).not.toContain("\u001b");
  });
});

describe("a journal file", () => {
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-inspect-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "journal");
  const entries = 40;
  test("lists entries with their sequence, and reads a folder in use without changing it", async () => {
    const store = openFileStore(path, { pageBytes: 1024, pages: 8 });
    const journal = openJournal(store, nodeCrypto, () => undefined);
    for (let i = 1; i <= entries; i++) append(journal, encodeEntry({ kind: "refused", code: 14, valueId: new Uint8Array(8).fill(i), at: 1_800_000_000 + i, quality: 2 }), true);
    const before = readFileSync(path);
    const ran = await kaisatsu(["inspect", path]);
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/^journal file, 8192 bytes\n {2}pages: 8 of 1024 bytes\n {2}entries: 1 to 40\n/);
    expect(ran.out).toContain("  entry 40: journal entry, refused,");
    expect(ran.out).toContain("    refusal: already_used");
    expect(readFileSync(path).equals(before)).toBe(true);
    store.close();
  });
  test("says at which entry it is damaged, and still lists the others", () => {
    const bytes = new Uint8Array(readFileSync(path));
    bytes[200]! ^= 4;
    const found = inspect(bytes)!;
    expect(found.is).toBe("journal file, DAMAGED");
    expect(String(found.fields["damaged"])).toMatch(/^at entry 4, page 0: it cannot be read, or the chain of digests breaks there/);
    expect(found.fields).not.toHaveProperty("entry 4");
    const listed = Object.keys(found.fields).filter((key) => key.startsWith("entry "));
    expect(listed).toHaveLength(entries - 1);
    const cut = inspect(bytes.subarray(0, 3000))!;
    expect(cut.is).toMatch(/^journal file/);
  });
  test("cells are listed by name alone", () => {
    const store = openFileStore(join(folder, "cells"), { pageBytes: 4096, pages: 2 });
    const cells = openCells(store);
    writeCell(cells, "group", new Uint8Array(32).fill(0xab));
    writeCell(cells, "terminal", new Uint8Array(8));
    store.close();
    const lines = printed(inspect(new Uint8Array(readFileSync(join(folder, "cells"))))!);
    expect(lines).toEqual(["cells file, 8192 bytes", "  cells: 2", "  shown: names alone: keys may be among them", "  group: 32 bytes", "  terminal: 8 bytes"]);
  });
});

test("whatever stands in a text, a pipe or a file is found: hexadecimal with colons, base64, base45, an optical code", async () => {
  const receiptBytes = encodeReceipt(receipt);
  const texts = [toHex(receiptBytes), toHex(receiptBytes).replace(/..(?=.)/g, "$&:"), Buffer.from(receiptBytes).toString("base64"), Buffer.from(receiptBytes).toString("base64url"), encodeBase45(receiptBytes)];
  for (const text of texts) {
    expect((await kaisatsu(["inspect", text])).out, text).toMatch(/^receipt, /);
    expect((await kaisatsu(["inspect", "-"], { input: text + "\n" })).out, text).toMatch(/^receipt, /);
  }
  expect(JSON.parse((await kaisatsu(["inspect", texts[0]!, "--json"])).out)).toMatchObject({ is: "receipt", fields: { counter: 2, at: 1_800_000_000 } });
});

test("hostile bytes are something or nothing, and never a fault", () => {
  const random = seeded(11);
  const samples = [hello, encodeReceipt(receipt), new Uint8Array(readFileSync(new URL("../../protocol/protocol.cddl", import.meta.url))).subarray(0, 500), new Uint8Array(70_000).fill(0xff), new Uint8Array([...Buffer.from("KSJ2"), ...new Uint8Array(100)])];
  for (let i = 0; i < 3000; i++) {
    const bytes = new Uint8Array(samples[i % samples.length]!.subarray(0, 700));
    for (let n = random.below(4); n >= 0; n--) bytes[random.below(bytes.length)] = random.below(256);
    const found = inspect(bytes);
    if (found !== undefined) printed(found);
  }
});
