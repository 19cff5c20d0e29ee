/**
 * An order over a road that loses one letter or one answer, each in turn, with the handset switched off and on after it: ordered once,
 * paid once, delivered once. Nobody can tell a lost answer from a lost question, so both must be safe to ask again.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { api, card, collect, expectCleanBooks, incidents, mine, openShop, openWorld, shop, stateOf, tickets, type World } from "./world.js";
import { enrolPhone, openPhone, type Phone } from "../../boards/node/phone.js";
import { newestReceipt } from "../../runtime/value/wallet.js";

/** Carries everything, except the exchange of this number: its question, or its answer. */
interface Road { url: string; count: number; lose: { number: number; what: "question" | "answer" } | undefined; close(): void }
async function openRoad(to: () => string): Promise<Road> {
  const road = { count: 0, lose: undefined } as unknown as Road;
  const server: Server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece)).on("end", () => {
      const number = road.count++, lost = road.lose?.number === number ? road.lose.what : undefined;
      if (lost === "question") { request.socket.destroy(); return; }
      void fetch(to() + request.url!, { method: request.method!, headers: { "content-type": request.headers["content-type"] ?? "" }, ...(request.method === "POST" && { body: Buffer.concat(pieces) }) }).then(async (answer) => {
        const body = Buffer.from(await answer.arrayBuffer());
        if (lost === "answer") request.socket.destroy();
        else response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" }).end(body);
      });
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  road.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  road.close = () => { server.closeAllConnections(); server.close(); };
  return road;
}

let w: World;
let road: Road;
beforeEach(async () => {
  w = await openWorld(false);
  await openShop(w);
  road = await openRoad(() => w.host.url);
  w.phones["b"] = (await enrolPhone(join(w.folder, "b"), road.url, "b", "correct horse battery staple", "")).phone;
  await api(w, "POST", "/api/products", { product: "big", name: "Big card", kind: "card", sort: "prepaid", most: 1_000_000, price: 1_000_000, until: w.host.context.now() + 30 * 86_400, issuer: "box" });
  await api(w, "POST", "/api/sales", { product: "big", user: "b", reference: "big", paid: "desk" });
  await collect(w.phone("b"));
});
afterEach(async () => { road.close(); await w.close(); });

/** The whole of it, from wherever it stands. */
async function buy(p: Phone, id: Uint8Array): Promise<void> {
  await shop.order(p, [mine("concert")], [], id);
  await shop.goOnPaying(p);
  const [bill] = await shop.bills(p);
  if (bill !== undefined) await shop.pay(p, bill, { value: card(w, "b") });
  await collect(p);
}

/** Order, bills, pay, acknowledge, the provider's page, collect, deliver, received, and whether there is more. */
const exchanges = 9;

test.each(Array.from({ length: exchanges }, (_none, number) => (["question", "answer"] as const).map((what) => [what, number] as const)).flat())("the %s of exchange %i is lost: ordered once, paid once, delivered once", async (what, number) => {
  const id = w.phone("b").random.fill(8);
  road.count = 0;
  road.lose = { number, what };
  let broke = 0;
  for (let done = false; !done;) {
    try { await buy(w.phone("b"), id); done = true; } catch (error) {
      if (++broke > 1) throw error;
      w.phone("b").store.close();
      w.phones["b"] = openPhone(w.phone("b").folder);
    }
  }
  expect(broke).toBe(1);
  expect(tickets(w, "b")).toHaveLength(1);
  expect(newestReceipt(card(w, "b"))!.after).toBe(3000);
  expect(await stateOf(w, id)).toMatch(/^(delivered|acknowledged)$/);
  expect(shop.bookOf(w.phone("b")).begun).toEqual([]);
  expect(await w.host.context.db.selectFrom("payment").select("state").execute()).toEqual([{ state: "posted" }]);
  await expectCleanBooks(w);
  expect(await incidents(w)).toEqual([]);
});
