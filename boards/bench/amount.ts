/** Amounts of money as people write and read them, with as many digits after the point as the currency has (ISO 4217). */
import { currencyLetters } from "../../host/context.js";
import { exponent, show } from "../../host/money.js";

/** "3.50 EUR", "350 JPY"; a currency that is not known here keeps its number. */
export function amountText(minor: number, currency: number | undefined): string {
  const letters = currency === undefined ? undefined : currencyLetters(currency);
  return letters === undefined ? `${minor} minor units${currency === undefined ? "" : ` of currency ${currency}`}` : show(minor, letters);
}

/** A limit as typed: "20.00", "2000 JPY". Without letters it counts in whatever currency is asked for. */
export interface TypedAmount { digits: string; letters: string | undefined }

/** Undefined for anything that is no amount. */
export function readAmount(text: string): TypedAmount | undefined {
  const found = /^(\d{1,12}(?:\.\d{1,4})?)(?: ?([A-Z]{3}))?$/.exec(text.trim());
  return found === null ? undefined : { digits: found[1]!, letters: found[2] };
}

/** The limit in minor units of this currency; −1 when it does not speak of it. */
export function limitIn(limit: TypedAmount, currency: number | undefined): number {
  const letters = currency === undefined ? undefined : currencyLetters(currency);
  if (letters === undefined || (limit.letters !== undefined && limit.letters !== letters)) return -1;
  const [whole, part = ""] = limit.digits.split(".");
  const digits = exponent(letters);
  return Number(whole! + part.slice(0, digits).padEnd(digits, "0"));
}
