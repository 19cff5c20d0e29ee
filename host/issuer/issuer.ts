/**
 * An issuer that runs apart from the host: a process of its own with keys of its own, which signs what is sold in its name (S4, S6,
 * `trust.md` §1, §8). It believes one host, by the root it was given; it signs only its own values, of products it lists, so many of
 * each, and never two words about one value. What it signed is durable before it says so, so the same question gets the same answer.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fastify from "fastify";
import { Kysely, sql } from "kysely";
import { fromHex, newScalar, toHex, Wrong } from "../context.js";
import { openKeyStore } from "../keys.js";
import { nodeMachine, type Machine } from "../machine.js";
import { sqliteDialect } from "../sqlite.js";
import { encodeMessage, openEnvelope, readEnvelope, sealEnvelope, verifyMessage, type Message } from "../../protocol/wire/envelope.js";
import { decodeIssuerClaims, decodeIssuing, encodeIssued, issuingRefusal, issuingType, type Asked, type Signed } from "../../protocol/wire/issuing.js";
import { decodeSigned, keyId, openSigned, type SignerKey } from "../../protocol/wire/signed.js";
import { decodeRole } from "../../protocol/wire/trust.js";
import { limits } from "../../protocol/limits.js";

export interface IssuerOptions {
  /** Keys, register, and `products.json`: how many of each product, by its id: `{ "concert": 500 }`. */
  folder: string;
  /** As its values are made out: the issuer's id at the host. */
  issuer: string;
  /** The host's page `/provider`, fetched once by whoever sets this up, with the root that he compared. */
  provider: { root: string; roles: readonly string[] };
  port?: number;
  address?: string;
  machine?: Partial<Machine>;
}
export interface Issuer { readonly url: string; /** For the host's operator: the key that signs, and the one that opens, in hexadecimal. */ readonly signingKey: string; readonly agreementKey: string; close(): Promise<void> }

interface Tables { signed: { value_id: string; product: string; claims: string; part: Uint8Array } }

export async function startIssuer(o: IssuerOptions): Promise<Issuer> {
  const m: Machine = { ...nodeMachine, ...o.machine };
  const keys = openKeyStore(m, o.folder, "issuer " + o.issuer);
  const [signing, agreement] = ["issuer " + o.issuer, "issuer agreement"].map((name) => keys.ensure(name));
  const host = hostKeys(m, o.provider);
  const db = new Kysely<Tables>({ dialect: await sqliteDialect(join(o.folder, "issued.db")) });
  await sql`create table if not exists signed (value_id text primary key, product text not null, claims text not null, part blob not null)`.execute(db);
  await sql`create index if not exists signed_of on signed (product)`.execute(db);
  const app = fastify({ bodyLimit: limits.envelopeBytesMax });
  app.addContentTypeParser("application/cose", { parseAs: "buffer" }, (_request, body, parsed) => parsed(null, body));
  app.post("/issue", async (request, reply) => {
    const m_ = request.body instanceof Buffer ? open(new Uint8Array(request.body)) : undefined;
    const asked = m_ === undefined ? undefined : decodeIssuing(m_.message.body);
    if (m_ === undefined || asked === undefined) return await reply.code(400).send();
    return await reply.type("application/cose").send(Buffer.from(answer(m_.message, m_.sender, encodeIssued(await signAll(asked)))));
  });

  function open(bytes: Uint8Array): { message: Message; sender: Uint8Array } | undefined {
    const sealed = readEnvelope(bytes);
    const shared = sealed === undefined || toHex(sealed.recipient) !== toHex(keyId(m.crypto, agreement!)) ? undefined : keys.agree("issuer agreement", sealed.ephemeral);
    const inside = sealed === undefined || shared === undefined ? undefined : openEnvelope(m.crypto, sealed, agreement!, shared);
    const message = inside === undefined || sealed === undefined ? undefined : verifyMessage(m.crypto, inside, host.senders, sealed.recipient);
    return message === undefined || message.type !== issuingType ? undefined : { message, sender: decodeSigned(inside!)!.kid };
  }
  function answer(to: Message, sender: Uint8Array, body: Uint8Array): Uint8Array {
    const claims = encodeMessage({ recipient: keyId(m.crypto, host.envelope), at: m.now(), quality: 3, sequence: to.sequence, type: issuingType + 128, body, answers: { sequence: to.sequence, kid: sender }, certificate: undefined });
    return sealEnvelope(m.crypto, keys.signed("message", "issuer " + o.issuer, claims), { ephemeral: newScalar(m), nonce: m.random(12), recipientKey: host.envelope, least: 0 })!;
  }
  /** One after the other: quotas are counted while nobody else signs. */
  let turn: Promise<unknown> = Promise.resolve();
  function signAll(asked: readonly Asked[]): Promise<Signed[]> {
    const mine = turn.then(async () => { const all: Signed[] = []; for (const x of asked) all.push(await signOne(x)); return all; });
    turn = mine.catch(() => undefined);
    return mine;
  }
  async function signOne(x: Asked): Promise<Signed> {
    const no = (code: number): Signed => ({ code, part: new Uint8Array(0) });
    const claims = decodeIssuerClaims(x.claims);
    if (claims === undefined || claims.issuer !== o.issuer) return no(issuingRefusal.foreign);
    const known = await db.selectFrom("signed").selectAll().where("value_id", "=", toHex(claims.valueId)).executeTakeFirst();
    if (known !== undefined) return known.claims === toHex(x.claims) && known.product === x.product ? { code: 0, part: new Uint8Array(known.part) } : no(issuingRefusal.differs);
    const quota = quotas(o.folder)[x.product];
    if (quota === undefined) return no(issuingRefusal.product);
    const { count } = await db.selectFrom("signed").select((e) => e.fn.countAll<number>().as("count")).where("product", "=", x.product).executeTakeFirstOrThrow();
    if (Number(count) >= quota) return no(issuingRefusal.quota);
    const part = keys.signed("issuer", "issuer " + o.issuer, x.claims);
    await db.insertInto("signed").values({ value_id: toHex(claims.valueId), product: x.product, claims: toHex(x.claims), part }).execute();
    return { code: 0, part };
  }

  const url = await app.listen({ port: o.port ?? 0, host: o.address ?? "127.0.0.1" });
  return { url, signingKey: toHex(signing!), agreementKey: toHex(agreement!), close: async () => { await app.close(); await db.destroy(); } };
}

/** Read each time: whoever sells more says so in the file, without a restart. */
function quotas(folder: string): Record<string, number> {
  const read = JSON.parse(readFileSync(join(folder, "products.json"), "utf8")) as unknown;
  if (typeof read !== "object" || read === null || Object.values(read).some((n) => !Number.isSafeInteger(n))) throw new Wrong("quota_wrong", "products.json must say how many of each product, as whole numbers.", 500);
  return Object.assign(Object.create(null) as Record<string, number>, read);
}
export function writeQuotas(folder: string, products: Record<string, number>): void {
  writeFileSync(join(folder, "products.json"), JSON.stringify(products), { mode: 0o600 });
}

/** The host's sender and envelope keys, certified by the root that was compared. */
function hostKeys(m: Machine, page: IssuerOptions["provider"]): { senders: SignerKey[]; envelope: Uint8Array } {
  const root = fromHex(page.root), roots = [{ kid: keyId(m.crypto, root), publicKey: root }];
  const found = page.roles.flatMap((text) => { const claims = openSigned(m.crypto, new Uint8Array(Buffer.from(text, "base64")), "role", roots); const role = claims === undefined ? undefined : decodeRole(claims); return role === undefined ? [] : [role]; });
  const keysOf = (role: string): Uint8Array[] => found.filter((r) => r.role === role).map((r) => r.publicKey);
  const [envelope] = keysOf("envelope");
  if (envelope === undefined || keysOf("sender").length === 0) throw new Wrong("provider_wrong", "What the provider showed is not signed by the root that was given: compare it again.", 500);
  return { senders: keysOf("sender").map((publicKey) => ({ kid: keyId(m.crypto, publicKey), publicKey })), envelope };
}
