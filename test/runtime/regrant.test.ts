/** A handset changes the grant of one epoch for that of the next: durably, with a chain that begins anew, and never over an open question. */
import { expect, test } from "vitest";
import { coupons, makePhone, makeWorld } from "../session/world.js";
import { decodeRegrant, encodeRegranted } from "../../protocol/wire/handset-letters.js";
import { decodeValue, encodeValue } from "../../protocol/wire/value.js";
import { regrantBody, takeRegranted } from "../../runtime/sync/handset-sync.js";

function holder() {
  const w = makeWorld();
  const phone = makePhone(w, coupons(w, 5));
  const v = phone.wallet.values[0]!;
  const claims = (id: number, most: number) => encodeValue({ ...v.value, valueId: new Uint8Array(8).fill(id), holderKey: new Uint8Array(0), issuerPart: new Uint8Array(0), most });
  const grant = (id: number, epoch: number, most = 3) => ({ claims: claims(id, most), mac: new Uint8Array(8).fill(id), key: new Uint8Array(32).fill(id), group: 1, epoch });
  v.grant = grant(1, 1);
  const answer = (g: ReturnType<typeof grant>, code = 0) => encodeRegranted({ code, grant: code === 0 ? g.claims : new Uint8Array(0), grantMac: code === 0 ? g.mac : new Uint8Array(0), grantKey: code === 0 ? g.key : new Uint8Array(0), group: g.group, epoch: g.epoch });
  return { phone, v, grant, answer };
}

test("it shows the grant held and its newest receipt, and takes the next with a chain of its own", () => {
  const { phone, v, grant, answer } = holder();
  v.grantReceipts = [{ receipt: Uint8Array.of(1), proof: Uint8Array.of(2), certificate: undefined, state: "finished", reversal: undefined } as unknown as typeof v.grantReceipts[0]];
  expect(decodeRegrant(regrantBody(phone.wallet, v.value.valueId)!)).toEqual({ grant: decodeValue(v.grant!.claims)!.valueId, receipt: Uint8Array.of(1), mac: Uint8Array.of(2) });
  expect(takeRegranted(phone.wallet, v.value.valueId, answer(grant(2, 2, 2)))).toBe(0);
  expect([v.grant!.epoch, v.grantReceipts]).toEqual([2, []]);
});

test("the same grant again keeps its chain; a refusal and a broken answer change nothing", () => {
  const { phone, v, grant, answer } = holder();
  const receipts = v.grantReceipts = [{ receipt: Uint8Array.of(1), proof: Uint8Array.of(2), certificate: undefined, state: "finished", reversal: undefined } as unknown as typeof v.grantReceipts[0]];
  for (const [body, code] of [[answer(grant(1, 1)), 0], [answer(grant(2, 2), 25), 25], [Uint8Array.of(1), -1]] as const) {
    expect(takeRegranted(phone.wallet, v.value.valueId, body)).toBe(code);
    expect([v.grant!.epoch, v.grantReceipts]).toEqual([1, receipts]);
  }
});

test("while nobody knows whether its holder was let through, no grant is exchanged", () => {
  const { phone, v } = holder();
  v.grantReceipts = [{ receipt: Uint8Array.of(1), proof: Uint8Array.of(2), certificate: undefined, state: "unresolved", reversal: undefined } as unknown as typeof v.grantReceipts[0]];
  expect(regrantBody(phone.wallet, v.value.valueId)).toBeUndefined();
  v.grant = undefined;
  expect(regrantBody(phone.wallet, v.value.valueId)).toBeUndefined();
});
