/** Rounding, coupon shares, splits and display (`money.md` §1.2, §1.11). */
import { expect, test } from "vitest";
import { couponShare, round, show, split } from "../../host/money.js";

test.each([
  [3797, 325, 10000, 123], [2000, 325, 10000, 65], [65, 10, 100, 7], [123, 40, 100, 49], [123, 10, 100, 12], [200, 10, 110, 18],
  [1, 1, 2, 1], [1, 1, 3, 0], [2, 1, 3, 1], [0, 7, 9, 0], [5, 0, 9, 0], [Number.MAX_SAFE_INTEGER, 1, 1, Number.MAX_SAFE_INTEGER],
  [Number.MAX_SAFE_INTEGER, 999_999, 1_000_000, 9007190247541736],
])("round(%i · %i / %i) = %i", (amount, n, d, expected) => { expect(round(amount, n, d)).toBe(expected); });

test("a coupon book of 2,000 gives 667, 666, 667", () => {
  expect([1, 2, 3].map((k) => couponShare(2000, k, 3))).toEqual([667, 666, 667]);
});

test("coupon shares add up to the price, whatever price and count", () => {
  for (let n = 1; n <= 40; n++) for (const price of [1, 99, 100, 2000, 12345]) {
    let sum = 0;
    for (let k = 1; k <= n; k++) sum += couponShare(price, k, n);
    expect(sum).toBe(price);
  }
});

test.each([
  [100, { a: 1, b: 1, c: 1 }, { a: 34, b: 33, c: 33 }], [101, { a: 1, b: 1, c: 1 }, { a: 34, b: 34, c: 33 }],
  [10, { a: 1, b: 2 }, { a: 3, b: 7 }], [0, { a: 1 }, { a: 0 }], [7, { a: 0, b: 5 }, { a: 0, b: 7 }],
])("split %i by %j is %j", (amount, weights, expected) => {
  expect(Object.fromEntries(split(amount, Object.entries(weights).map(([party, weight]) => ({ party, weight }))))).toEqual(expected);
});

test.each([[1200, "JPY", "1200 JPY"], [1234, "EUR", "12.34 EUR"], [5, "EUR", "0.05 EUR"], [1234, "KWD", "1.234 KWD"], [-7, "EUR", "-0.07 EUR"]])(
  "%i %s is shown as %s", (minor, currency, text) => { expect(show(minor, currency)).toBe(text); });

test("halves, signs and fractions are refused by assertion", () => {
  expect(() => round(-1, 1, 2)).toThrow();
  expect(() => round(1.5, 1, 2)).toThrow();
  expect(() => round(1, 1, 0)).toThrow();
});
