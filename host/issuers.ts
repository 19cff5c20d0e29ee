/**
 * The host's side of issuers that run apart: what was sold in their name waits until they signed it, and is offered to its holder only
 * then (S4, S6). Asked outside of any transaction, as often as it takes; each part is checked against what was asked.
 */
import { fromHex, newScalar, nextNumber, noteIncident, toHex, type Context } from "./context.js";
import { transact, type Tx } from "./database.js";
import { issuerClaimsOf, productOrWrong, type IssuedRow } from "./products.js";
import { encodeMessage, openEnvelope, readEnvelope, sealEnvelope, verifyMessage } from "../protocol/wire/envelope.js";
import { decodeIssued, encodeIssuing, issuingMost, issuingType, type Asked, type Signed } from "../protocol/wire/issuing.js";
import { keyId, openSigned } from "../protocol/wire/signed.js";
import { limits } from "../protocol/limits.js";

const withinMs = 5000;
interface Remote { issuer_id: string; url: string; public_key: string; agreement_key: string }

/** Fetches what issuers still have to sign; `user`: only this member's. Answers how many values are complete now. */
export async function fetchParts(c: Context, user?: string): Promise<number> {
  const waiting = c.db.selectFrom("issued").innerJoin("product", "product.product_id", "issued.product_id").innerJoin("issuer", "issuer.issuer_id", "product.issuer_id")
    .select(["issued.value_id", "issuer.issuer_id"]).where("wants_part", "=", 1).where("issued.status", "=", 0).orderBy("issued_at").limit(issuingMost);
  const rows = await (user === undefined ? waiting : waiting.where("user_id", "=", user)).execute();
  let done = 0;
  for (const issuerId of new Set(rows.map((r) => r.issuer_id))) done += await fetchFrom(c, issuerId, rows.filter((r) => r.issuer_id === issuerId).map((r) => r.value_id));
  return done;
}

async function fetchFrom(c: Context, issuerId: string, valueIds: readonly string[]): Promise<number> {
  const issuer = await c.db.selectFrom("issuer").selectAll().where("issuer_id", "=", issuerId).executeTakeFirstOrThrow();
  if (issuer.url === null || issuer.agreement_key === null) return 0;
  const remote: Remote = { ...issuer, url: issuer.url, agreement_key: issuer.agreement_key };
  const values = await c.db.selectFrom("issued").selectAll().where("value_id", "in", valueIds).execute();
  const asked = await Promise.all(values.map(async (v): Promise<Asked> => ({ product: v.product_id, claims: issuerClaimsOf(v, await productOrWrong(c.db, v.product_id)) })));
  const signed = await ask(c, remote, asked);
  return signed === undefined ? 0 : await transact(c.db, (tx) => keepParts(c, tx, remote, values, asked, signed));
}

/** One letter there and back; undefined when nobody answered, or somebody else did. */
async function ask(c: Context, issuer: Remote, asked: readonly Asked[]): Promise<Signed[] | undefined> {
  const key = fromHex(issuer.agreement_key), recipient = keyId(c.crypto, key);
  const sequence = await transact(c.db, (tx) => nextNumber(tx, "letter"));
  const claims = encodeMessage({ recipient, at: c.now(), quality: 3, sequence, type: issuingType, body: encodeIssuing(asked), answers: undefined, certificate: undefined });
  const letter = sealEnvelope(c.crypto, c.keys.signed("message", "sender", claims), { ephemeral: newScalar(c), nonce: c.random(12), recipientKey: key, least: 0 });
  const bytes = letter === undefined ? undefined : await post(issuer.url, letter);
  const sealed = bytes === undefined ? undefined : readEnvelope(bytes);
  if (sealed === undefined || toHex(sealed.recipient) !== toHex(c.keys.kid("envelope"))) return undefined;
  const shared = c.keys.agree("envelope", sealed.ephemeral);
  const inside = shared === undefined ? undefined : openEnvelope(c.crypto, sealed, c.keys.publicKey("envelope"), shared);
  const signer = fromHex(issuer.public_key);
  const m = inside === undefined ? undefined : verifyMessage(c.crypto, inside, [{ kid: keyId(c.crypto, signer), publicKey: signer }], sealed.recipient);
  return m === undefined || m.answers?.sequence !== sequence || m.type !== issuingType + 128 ? undefined : decodeIssued(m.body);
}

async function post(url: string, letter: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    const response = await fetch(url.replace(/\/+$/, "") + "/issue", { method: "POST", headers: { "content-type": "application/cose" }, body: Buffer.from(letter), redirect: "error", signal: AbortSignal.timeout(withinMs) });
    if (!response.ok || Number(response.headers.get("content-length") ?? limits.envelopeBytesMax + 1) > limits.envelopeBytesMax) { await response.body?.cancel(); return undefined; }
    return new Uint8Array(await response.arrayBuffer());
  } catch {
    return undefined;
  }
}

/** A part counts when the issuer signed exactly what was asked. A no is an operator's to settle with the issuer; the value waits. */
async function keepParts(c: Context, tx: Tx, issuer: Remote, values: readonly IssuedRow[], asked: readonly Asked[], signed: readonly Signed[]): Promise<number> {
  const key = fromHex(issuer.public_key), signers = [{ kid: keyId(c.crypto, key), publicKey: key }];
  let done = 0;
  for (const [i, v] of values.entries()) {
    const said = signed[i];
    const claims = said === undefined || said.code !== 0 ? undefined : openSigned(c.crypto, said.part, "issuer", signers);
    if (claims !== undefined && toHex(claims) === toHex(asked[i]!.claims)) {
      await tx.updateTable("issued").set({ issuer_part: said!.part, wants_part: 0 }).where("value_id", "=", v.value_id).where("wants_part", "=", 1).execute();
      done++;
      continue;
    }
    const what = claims === undefined && said !== undefined && said.code !== 0 ? `issuer ${issuer.issuer_id} does not sign a value` : `issuer ${issuer.issuer_id} signed something else`;
    const told = await tx.selectFrom("incident").select("incident_id").where("what", "=", what).where("about", "=", v.value_id).executeTakeFirst();
    if (told === undefined) await noteIncident(tx, what, v.value_id, `code ${said?.code ?? "none"}`, c.now());
  }
  return done;
}
