/**
 * How a box comes to be believed, stays so, and stops (`trust.md` §3): the claim code proves both sides and nothing more than
 * it was made for; renewal shows a copied box; a revocation reaches neighbours and handsets.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { transact } from "../../host/database.js";
import { restoreTerminal, revocations, revokeTerminal } from "../../host/suspension.js";
import { routes } from "../../host/api.js";
import { addTerminal, claim } from "../../host/terminals.js";
import { shownDigits } from "../../protocol/wire/claim.js";
import { decodeTerminalCertificate } from "../../protocol/wire/certificate.js";
import { openSigned } from "../../protocol/wire/signed.js";
import * as w from "../../protocol/wire/sync.js";
import { decodeRevocation } from "../../protocol/wire/trust.js";
import { ask, claimRequest, crypto, enrolBox, gateOf, newSecret, openShop, openWorld, pull, type Box, type World } from "./world.js";

let x: World;
beforeEach(async () => { x = await openWorld(); await openShop(x); });
afterEach(() => x.close());
const keys = (): Uint8Array[] => [newSecret(x), newSecret(x), newSecret(x)];
const incidents = async (): Promise<string[]> => (await x.context.db.selectFrom("incident").select("what").execute()).map((r) => r.what);
const suspended = async (box: Box): Promise<number> => (await x.context.db.selectFrom("terminal").select("suspended").where("terminal_id", "=", box.id).executeTakeFirst())!.suspended;

describe("a claim code", () => {
  test("gives what the operator said, whatever the box says; the same request again the same bytes", async () => {
    const { claimCode, terminalId } = await addTerminal(x.context, gateOf({ most: 700 }));
    const asked = claimRequest(x, claimCode.toLowerCase().replaceAll("-", " "), keys());
    const answers = [await claim(x.context, asked.bytes), await claim(x.context, asked.bytes)];
    expect(answers[0]).toEqual(answers[1]);
    const granted = asked.open(answers[0]!);
    const certificate = decodeTerminalCertificate(w.decodeSignedClaims(granted.certificate)!.claims)!;
    expect([Buffer.from(certificate.terminalId).toString("hex"), certificate.most, certificate.kinds, certificate.merchant]).toEqual([terminalId, 700, ["ticket", "coupon", "card"], "Hall"]);
    expect(certificate.expires - x.machine.now()).toBe(14 * 86_400);
  });
  test("both sides show the same six digits; who answered in the host's place shows others", async () => {
    const { claimCode, terminalId } = await addTerminal(x.context, gateOf());
    const digitsOf = async () => (await x.context.db.selectFrom("terminal").select("digits").where("terminal_id", "=", terminalId).executeTakeFirst())!.digits;
    expect(await digitsOf()).toBeNull();
    const asked = claimRequest(x, claimCode, keys());
    const answer = (await claim(x.context, asked.bytes))!;
    const shown = shownDigits(crypto, asked.request, answer);
    await claim(x.context, asked.bytes);
    expect(shown).toMatch(/^\d{6}$/);
    expect(await digitsOf()).toBe(shown);
    const said = await x.context.db.selectFrom("audit").select("what").where("who", "=", "terminal").execute();
    expect(said).toEqual([{ what: `terminal ${terminalId} enrolled: it must show ${shown}, or another machine took its code` }]);
    const route = routes.find((r) => r.method === "get" && r.path === "/api/terminals")!;
    expect(await route.run(x.context, { body: undefined, query: {}, path: {} })).toMatchObject([{ terminal_id: terminalId, digits: shown }]);
  });
  test("used once: other keys get nothing and raise an alarm", async () => {
    const { claimCode } = await addTerminal(x.context, gateOf());
    expect(await claim(x.context, claimRequest(x, claimCode, keys()).bytes)).toBeDefined();
    expect(await claim(x.context, claimRequest(x, claimCode, keys()).bytes)).toBeUndefined();
    expect(await incidents()).toEqual(["claim code used again with other keys"]);
  });
  test("ends after a day, also for who had it answered", async () => {
    const { claimCode } = await addTerminal(x.context, gateOf());
    const asked = claimRequest(x, claimCode, keys());
    await claim(x.context, asked.bytes);
    x.machine.advance(86_400);
    expect(await claim(x.context, asked.bytes)).toBeUndefined();
  });
  test("dies of ten wrong proofs, at once or in turn, and the right one comes too late", async () => {
    const { claimCode } = await addTerminal(x.context, gateOf());
    const wrong = (): Uint8Array => claimRequest(x, claimCode, keys()).bytes.map((b, i, all) => (i === all.length - 1 ? b ^ 1 : b));
    expect(await Promise.all(Array.from({ length: 9 }, () => claim(x.context, wrong())))).toEqual(Array(9).fill(undefined));
    const right = claimRequest(x, claimCode, keys());
    expect(await claim(x.context, right.bytes), "nine leave it alive").toBeDefined();
    await claim(x.context, wrong());
    expect(await claim(x.context, right.bytes)).toBeUndefined();
    expect(await incidents()).toEqual(["claim code dead after ten wrong proofs"]);
    expect((await x.context.db.selectFrom("terminal").select("claim_wrong").executeTakeFirst())!.claim_wrong).toBe(10);
  });
  test.each<[string, () => Uint8Array[]]>([
    ["two keys alike", () => { const k = keys(); return [k[0]!, k[1]!, k[1]!]; }], ["identity and signing alike", () => { const k = keys(); return [k[0]!, k[0]!, k[1]!]; }],
    ["an agreement key with odd y", () => { const k = keys(); for (;;) { const s = x.machine.random(32); if (crypto.publicKey(s)?.[0] === 3) return [k[0]!, k[1]!, s]; } }],
  ])("is not for a box with %s", async (_name, made) => {
    const { claimCode } = await addTerminal(x.context, gateOf());
    expect(await claim(x.context, claimRequest(x, claimCode, made()).bytes)).toBeUndefined();
    expect(await x.context.db.selectFrom("certificate").selectAll().execute()).toEqual([]);
  });
  test("is not for a box that is another terminal already", async () => {
    const box = await enrolBox(x);
    const { claimCode } = await addTerminal(x.context, gateOf());
    expect(await claim(x.context, claimRequest(x, claimCode, [box.identity, newSecret(x), newSecret(x)]).bytes)).toBeUndefined();
    expect(await incidents()).toEqual(["an identity key claimed a second terminal"]);
  });
  test("is never in the database in clear", async () => {
    const { claimCode } = await addTerminal(x.context, gateOf());
    const text = JSON.stringify(await x.context.db.selectFrom("terminal").selectAll().execute());
    expect(text).not.toContain(claimCode.replaceAll("-", "").slice(4, 19));
  });
  test("a name that no handset could read is refused before it is certified", async () => {
    await expect(addTerminal(x.context, gateOf({ name: "駅".repeat(200) }))).rejects.toThrow(/certificate would have \d+ bytes/);
    expect(await x.context.db.selectFrom("terminal").selectAll().execute()).toEqual([]);
  });
});

describe("renewal", () => {
  const renew = async (box: Box, counter: number, pair = [newSecret(x), newSecret(x)]): Promise<Uint8Array> =>
    (await ask(x, box, w.messageType.renew, w.encodeRenewal({ counter, signingKey: crypto.publicKey(pair[0]!)!, agreementKey: crypto.publicKey(pair[1]!)! })))!;
  /** The answer to a renewal is sealed to the new agreement key. */
  const renewed = async (box: Box, counter: number): Promise<{ bytes: Uint8Array; pair: Uint8Array[] }> => {
    const pair = [newSecret(x), newSecret(x)];
    const bytes = await renew(box, counter, pair);
    if (bytes.length > 0) box.agreement = pair[1]!;
    return { bytes, pair };
  };
  test("gives new keys for two weeks more; the same again the same bytes; every certificate stays provable", async () => {
    const box = await enrolBox(x);
    x.machine.advance(8 * 86_400);
    const { bytes, pair } = await renewed(box, 1);
    expect(decodeTerminalCertificate(w.decodeSignedClaims(bytes)!.claims)!.expires - x.machine.now()).toBe(14 * 86_400);
    expect(await renew(box, 1, pair)).toEqual(bytes);
    expect(await x.context.db.selectFrom("certificate").selectAll().execute()).toHaveLength(2);
  });
  test.each([["six days", 6, true], ["eighty days", 80, false]])("the same again %s later, when its answer was lost: a certificate that is still good for as long as any", async (_when, days, isSame) => {
    const box = await enrolBox(x);
    const { bytes, pair } = await renewed(box, 1);
    x.machine.advance(days * 86_400);
    const again = await renew(box, 1, pair);
    const { expires, signingKey } = decodeTerminalCertificate(w.decodeSignedClaims(again)!.claims)!;
    expect([Buffer.from(again).equals(bytes), expires - x.machine.now() >= 7 * 86_400, Buffer.from(signingKey).equals(crypto.publicKey(pair[0]!)!)]).toEqual([isSame, true, true]);
    expect([await suspended(box), await incidents()]).toEqual([0, []]);
  });
  test("twice from one counter with other keys, or from an older one, is two boxes: suspended, no more renewals until restored", async () => {
    const box = await enrolBox(x);
    await renewed(box, 1);
    expect(await renew(box, 1)).toEqual(new Uint8Array(0));
    expect([await suspended(box), await incidents()]).toEqual([1, ["renewed twice from one counter"]]);
    expect(await renew(box, 2)).toEqual(new Uint8Array(0));
    await transact(x.context.db, (tx) => restoreTerminal(x.context, tx, box.id, "looked at"));
    expect((await renewed(box, 2)).bytes.length).toBeGreaterThan(0);
    expect((await renew(box, 1)).length, "an old counter").toBe(0);
    expect(await suspended(box)).toBe(1);
  });
  test.each<[string, (k: Uint8Array[], box: Box) => Uint8Array[]]>([
    ["alike", (k) => [k[0]!, k[0]!]], ["the identity key", (k, box) => [box.identity, k[1]!]],
  ])("to keys that are %s is refused", async (_name, made) => {
    const box = await enrolBox(x);
    expect(await renew(box, 1, made(keys(), box))).toEqual(new Uint8Array(0));
    expect(await incidents()).toEqual([]);
  });
  test("is not for a revoked terminal", async () => {
    const box = await enrolBox(x);
    await transact(x.context.db, (tx) => revokeTerminal(x.context, tx, box.id, "stolen"));
    expect(await renew(box, 1)).toEqual(new Uint8Array(0));
  });
});

describe("a revocation", () => {
  test("is signed by the certificates key, reaches neighbours with their news, and is dropped when nothing could believe the terminal any more", async () => {
    const [gone, neighbour] = [await enrolBox(x), await enrolBox(x)];
    await transact(x.context.db, (tx) => revokeTerminal(x.context, tx, gone.id, "stolen"));
    const signer = [{ kid: x.context.keys.kid("certificates"), publicKey: x.context.keys.publicKey("certificates") }];
    const heard = (await pull(x, neighbour))!.roles.flatMap((bytes) => openSigned(crypto, bytes, "revocation", signer) ?? []).map((claims) => decodeRevocation(claims)!);
    expect(heard.map((r) => [r.what, Buffer.from(r.name).toString("hex")])).toEqual([[3, gone.id]]);
    x.machine.advance((14 + 7) * 86_400 - 1);
    expect(await revocations(x.context, x.context.db)).toHaveLength(1);
    x.machine.advance(1);
    expect(await revocations(x.context, x.context.db)).toEqual([]);
  });
  test("of very many the two hundred that are needed longest are told, so that news fit an envelope", async () => {
    const box = await enrolBox(x);
    const row = await x.context.db.selectFrom("terminal").selectAll().where("terminal_id", "=", box.id).executeTakeFirstOrThrow();
    for (let n = 0; n < 230; n++) {
      const id = n.toString(16).padStart(16, "0");
      await x.context.db.insertInto("terminal").values({ ...row, terminal_id: id, identity_kid: null }).execute();
      await x.context.db.insertInto("revocation").values({ terminal_id: id, bytes: new Uint8Array(160).fill(n), needed_until: x.machine.now() + 1000 + n }).execute();
    }
    expect((await revocations(x.context, x.context.db)).map((bytes) => bytes[0])).toEqual(Array.from({ length: 200 }, (_x, i) => 229 - i));
    expect(await pull(x, box)).toBeDefined();
  });
});

test("news always fit an envelope, however many terminals there are", async () => {
  const box = await enrolBox(x);
  for (let n = 0; n < 160; n++) {
    await x.context.db.insertInto("certificate").values({ number: 2 ** 33 + n, certificate_id: `${n}`, terminal_id: box.id, bytes: new Uint8Array(500).fill(n), issued_at: x.machine.now(), expires: x.machine.now() + 86_400 }).execute();
  }
  let known = 0;
  const seen = new Set<string>();
  for (let n = 0; n < 10; n++) {
    const news = (await pull(x, box, { knownTerminals: known }))!;
    for (const t of news.terminals) seen.add(Buffer.from(t).toString("hex"));
    known = news.terminalsNumber;
  }
  expect(seen.size).toBe(161);
});
