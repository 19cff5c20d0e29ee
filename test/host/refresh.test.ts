/** The host's own receipt says where its holder stands (`tap.md` §5): what was undone neither opens nor shuts anything. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { action, decodeReceipt } from "../../protocol/wire/receipt.js";
import { refusal } from "../../protocol/refusal.js";
import * as handsetLetters from "../../protocol/wire/handset-letters.js";
import * as w from "../../protocol/wire/sync.js";
import { ask, enrolBox, holder, journal, openShop, openWorld, reversal, sync, use, type Link, type World } from "./world.js";

let x: World;
beforeEach(async () => { x = await openWorld(); await openShop(x); });
afterEach(() => x.close());

const enter = { action: action.enter, amount: 1 }, exit = { action: action.exit, amount: 0 };
const name = (number: number) => Object.keys(action).find((k) => action[k as keyof typeof action] === number);

test.each<[string, { action: number; amount: number }[], boolean, [string, number, boolean]]>([
  ["after an entry he is inside", [enter], false, ["enter", 1, true]],
  ["an entry that was undone left him outside, and costs nothing", [enter], true, ["pay", 0, false]],
  ["after an exit he is outside", [enter, exit], false, ["exit", 1, true]],
  ["an exit that was undone left him inside", [enter, exit], true, ["enter", 1, false]],
  ["the second entry undone", [enter, exit, enter], true, ["pay", 1, false]],
])("%s", async (_name, steps, undone, said) => {
  const box = await enrolBox(x);
  const { phone, value } = await holder(x, "aiko", "ten");
  let newest: Link | undefined;
  for (const more of steps) {
    newest = use(x, box, value, newest, more);
    journal(box, newest.entry);
  }
  if (undone) journal(box, reversal(x, box, newest!));
  await sync(x, box);
  const refresh = async () => handsetLetters.decodeRefreshed((await ask(x, phone, w.messageType.refresh, handsetLetters.encodeRefresh({ valueId: value.valueId, receipt: newest!.receipt, proof: new Uint8Array(64) })))!)!;
  const answer = await refresh();
  const receipt = decodeReceipt(answer.receipt)!;
  expect([name(receipt.action), receipt.after, receipt.at === newest!.fields.at]).toEqual(said);
  expect([receipt.counter, receipt.base?.spent, await refresh()]).toEqual([steps.length + 1, receipt.after, answer]);
});

test("while the books lack the exit nobody guesses", async () => {
  const box = await enrolBox(x);
  const { phone, value } = await holder(x, "aiko", "ten");
  const first = use(x, box, value, undefined, enter);
  const second = use(x, box, value, first, exit);
  journal(box, first.entry);
  await sync(x, box);
  const body = handsetLetters.encodeRefresh({ valueId: value.valueId, receipt: second.receipt, proof: new Uint8Array(64) });
  expect(handsetLetters.decodeRefreshed((await ask(x, phone, w.messageType.refresh, body))!)!.code).toBe(refusal.status_undetermined);
});
