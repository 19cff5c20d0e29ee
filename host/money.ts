/**
 * Arithmetic on money: whole minor units, rounded once, parts that add up (`money.md` §1.2, §1.11).
 *
 * Products are BigInt, so nothing is lost on the way; what goes in and comes out fits a safe integer. Whatever recurs is
 * the difference of two rounded cumulative amounts, which is why three coupons of a 2,000 book are 667, 666 and 667.
 */
import { assert } from "../protocol/assert.js";

/** amount · n / d, rounded half up. Minor units in, minor units out. */
export function round(amount: number, n: number, d: number): number {
  assert(isCount(amount) && isCount(n) && isCount(d) && d > 0, "rounding takes whole numbers and a divisor above 0");
  const [a, times, by] = [BigInt(amount), BigInt(n), BigInt(d)];
  return toNumber((2n * a * times + by) / (2n * by));
}

/** What coupon k of n is worth, k from 1: the price up to it less the price up to the one before. */
export function couponShare(price: number, k: number, n: number): number {
  assert(isCount(k) && k >= 1, "coupons are counted from 1");
  return round(price, k, n) - round(price, k - 1, n);
}

/** An amount split by weights: each part rounded down, missing units to the largest remainders, ties by party id. */
export function split(amount: number, parties: readonly { party: string; weight: number }[]): Map<string, number> {
  const whole = parties.reduce((sum, x) => sum + BigInt(x.weight), 0n);
  assert(isCount(amount) && whole > 0n && parties.every((x) => isCount(x.weight)), "a split needs an amount and weights");
  const parts = parties.map(({ party, weight }) => {
    const product = BigInt(amount) * BigInt(weight);
    return { party, part: product / whole, left: product % whole };
  });
  let missing = BigInt(amount) - parts.reduce((sum, x) => sum + x.part, 0n);
  const byRemainder = [...parts].sort((a, b) => (a.left === b.left ? (a.party < b.party ? -1 : 1) : a.left > b.left ? -1 : 1));
  for (const x of byRemainder) {
    if (missing === 0n) break;
    x.part += 1n;
    missing -= 1n;
  }
  return new Map(parts.map((x) => [x.party, toNumber(x.part)]));
}

const none = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(" ");
const three = "BHD IQD JOD KWD LYD OMR TND".split(" ");
const four = "CLF UYW".split(" ");

/** Digits after the point, ISO 4217. For display only. */
export function exponent(currency: string): number {
  if (none.includes(currency)) return 0;
  return three.includes(currency) ? 3 : four.includes(currency) ? 4 : 2;
}

/** "12.34 EUR", "1200 JPY". Negative sums occur in reports, never in transfers. */
export function show(minor: number | bigint, currency: string): string {
  const digits = exponent(currency), size = minor < 0 ? -BigInt(minor) : BigInt(minor);
  const text = size.toString().padStart(digits + 1, "0"), cut = text.length - digits;
  return (minor < 0 ? "-" : "") + (digits === 0 ? text : text.slice(0, cut) + "." + text.slice(cut)) + " " + currency;
}

/** A sum as this process may use it; broken code, not bad input, makes one that does not fit. */
export function toNumber(sum: bigint): number {
  assert(sum <= BigInt(Number.MAX_SAFE_INTEGER) && sum >= -BigInt(Number.MAX_SAFE_INTEGER), "an amount fits 53 bits");
  return Number(sum);
}

const isCount = (x: number) => Number.isSafeInteger(x) && x >= 0;
