/**
 * S4, S6: an issuer that runs apart from the host, with keys of its own. What is sold in its name is signed by it, in sealed letters, before
 * anybody gets it; it signs only what is its own, within its quota, and never two words about one value. Without it the sale waits.
 */
import { join } from "node:path";
import { expect } from "vitest";
import { addBox, alone, api, booksOf, collect, enrol, giveCard, mine, moved, pass, payFromCard, refused, shop, stateOf, tickets, told, incidents, type World } from "./world.js";
import { startIssuer, writeQuotas, type Issuer } from "../../host/issuer/issuer.js";
import { addArticle } from "../../host/orders/articles.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { digest16 } from "../../protocol/wire/value.js";
import { decodeIssuerClaims, encodeIssuerClaims, encodeIssuing, decodeIssued, issuingRefusal, issuingType } from "../../protocol/wire/issuing.js";
import { encodeMessage, openEnvelope, readEnvelope, sealEnvelope } from "../../protocol/wire/envelope.js";
import { decodeSigned, keyId, openSigned, signObject } from "../../protocol/wire/signed.js";
import { decodeMessage } from "../../protocol/wire/envelope.js";
import { equal, fromHex } from "../../protocol/wire/bytes.js";
import { orderRefusal } from "../../protocol/wire/order.js";

async function startApart(w: World, quota: Record<string, number>, port = 0): Promise<Issuer> {
  const provider = await (await fetch(w.host.url + "/provider")).json() as { root: string; roles: string[] };
  const folder = join(w.folder, "issuer");
  const issuer = await startIssuer({ folder, issuer: "club", provider, port });
  writeQuotas(folder, quota);
  return issuer;
}
async function sellFor(w: World, issuer: Issuer): Promise<void> {
  await api(w, "POST", "/api/issuers", { issuer: "club", name: "Club", apart: { url: issuer.url, signingKey: issuer.signingKey, agreementKey: issuer.agreementKey } });
  await api(w, "POST", "/api/products", { product: "club-night", name: "Club night", kind: "ticket", sort: "ticket", price: 2000, zones: [1], until: w.host.context.now() + 30 * 86_400, issuer: "club" });
  await addArticle(w.host.context, { article: "club-night", sort: "value" });
}

told("S6 sold by the host, signed by the issuer, carried by the handset; while the issuer is away it waits", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  let issuer = await startApart(w, { "club-night": 10 });
  await sellFor(w, issuer);
  const port = Number(new URL(issuer.url).port);
  await issuer.close();
  const id = await shop.order(w.phone("b"), [mine("club-night")]);
  await w.step();
  await payFromCard(w, "b");
  await w.step();
  expect(await collect(w.phone("b")), "not signed yet").toEqual([]);
  issuer = await startApart(w, { "club-night": 10 }, port);
  try {
    await w.step();
    expect(await collect(w.phone("b"))).toEqual(["Club night"]);
    const [v] = tickets(w, "b");
    const claims = openSigned(crypto, v!.issuerPart, "issuer", [{ kid: keyId(crypto, fromHex(issuer.signingKey)!), publicKey: fromHex(issuer.signingKey)! }]);
    expect(decodeIssuerClaims(claims!)).toMatchObject({ issuer: "club", product: "Club night" });
    expect(equal(v!.value.issuerPart, digest16(crypto, v!.issuerPart)), "and bound by the provider's signature").toBe(true);
    expect(await stateOf(w, id)).toBe("acknowledged");
  } finally {
    await issuer.close();
  }
});

alone("S6 must hold: more than the quota, and what it does not list, is not signed; the sale waits, and its money comes back when it is cancelled", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const issuer = await startApart(w, { "club-night": 1 });
  try {
    await sellFor(w, issuer);
    const before = await booksOf(w);
    const id = await shop.order(w.phone("b"), [mine("club-night", { lines: [{ article: "club-night", count: 2 }] })]);
    await payFromCard(w, "b");
    expect(await collect(w.phone("b"))).toEqual(["Club night"]);
    await pass(w, 20);
    expect(await incidents(w)).toEqual(["issuer club does not sign a value"]);
    expect((await shop.standing(w.phone("b"), id, "cancel")).refunded).toBe(2000);
    expect(Object.entries(moved(before, await booksOf(w))).filter(([a]) => a.startsWith("prepaid/")).map(([, minor]) => minor)).toEqual([2000]);
    const shopBox = await addBox(w, "Shop");
    await refused(w, orderRefusal.delivery_impossible, () => shop.order(w.phone("b"), [mine("club-night", { delivery: { by: "shops", shops: [shopBox.id] } })]));
  } finally {
    await issuer.close();
  }
});

alone("S6 must hold: the issuer answers its host alone, never signs another word for a value it signed, nor another issuer's", async (w) => {
  const issuer = await startApart(w, { "club-night": 5 });
  try {
    const to = fromHex(issuer.agreementKey)!;
    const post = async (claims: Uint8Array[], sign: (message: Uint8Array) => Uint8Array, change = (bytes: Uint8Array): Uint8Array => bytes): Promise<{ status: number; codes: number[] }> => {
      const keys = w.host.context.keys;
      const message = encodeMessage({ recipient: keyId(crypto, to), at: 1, quality: 3, sequence: 1, type: issuingType, body: encodeIssuing(claims.map((c) => ({ product: "club-night", claims: c }))), answers: undefined, certificate: undefined });
      const letter = change(sealEnvelope(crypto, sign(message), { ephemeral: new Uint8Array(32).fill(5), nonce: new Uint8Array(12), recipientKey: to, least: 0 })!);
      const r = await fetch(issuer.url + "/issue", { method: "POST", headers: { "content-type": "application/cose" }, body: Buffer.from(letter) });
      if (r.status !== 200) return { status: r.status, codes: [] };
      const sealed = readEnvelope(new Uint8Array(await r.arrayBuffer()))!;
      const inside = openEnvelope(crypto, sealed, keys.publicKey("envelope"), keys.agree("envelope", sealed.ephemeral)!)!;
      return { status: 200, codes: decodeIssued(decodeMessage(decodeSigned(inside)!.claims)!.body)!.map((s) => s.code) };
    };
    const host = (message: Uint8Array): Uint8Array => w.host.context.keys.signed("message", "sender", message);
    const word = (more: object): Uint8Array => encodeIssuerClaims({ issuer: "club", product: "Club night", name: "B", valueId: new Uint8Array(8).fill(1), ...more });
    expect(await post([word({}), word({}), word({ name: "C" }), word({ issuer: "box", valueId: new Uint8Array(8) }), new Uint8Array([1])], host)).toEqual({ status: 200, codes: [0, 0, issuingRefusal.differs, issuingRefusal.foreign, issuingRefusal.foreign] });
    expect((await post([word({})], (m) => signObject(crypto, "message", new Uint8Array(32).fill(9), m))).status, "a stranger").toBe(400);
    expect((await post([word({})], (m) => w.host.context.keys.signed("message", "values", m))).status, "another key of the host").toBe(400);
    for (const at of [3, 60, 200]) expect((await post([word({})], host, (b) => b.map((x, i) => (i === at ? x ^ 1 : x)) as Uint8Array)).status, "altered").toBe(400);
  } finally {
    await issuer.close();
  }
});
