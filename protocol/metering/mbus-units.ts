/** What an M-Bus VIB means: unit and power of ten (EN 13757-3, tables of VIF, of FB and FD, and of the VIFE that multiply). */

export interface Quantity { readonly unit: string; readonly scaler: number; /** `energy` or `volume` where it is a plain register; else empty. */ readonly is: string }

/** From, to, unit, scaler of the first code, what it is. Codes count up by powers of ten. */
type Row = readonly [from: number, to: number, unit: string, scaler: number, is: string];

const plain: readonly Row[] = [
  [0x00, 0x07, "Wh", -3, "energy"], [0x08, 0x0f, "J", 0, "energy"], [0x10, 0x17, "m3", -6, "volume"], [0x18, 0x1f, "kg", -3, ""],
  [0x20, 0x20, "s", 0, ""], [0x21, 0x21, "min", 0, ""], [0x22, 0x22, "h", 0, ""], [0x23, 0x23, "d", 0, ""],
  [0x24, 0x24, "s", 0, ""], [0x25, 0x25, "min", 0, ""], [0x26, 0x26, "h", 0, ""], [0x27, 0x27, "d", 0, ""],
  [0x28, 0x2f, "W", -3, ""], [0x30, 0x37, "J/h", 0, ""], [0x38, 0x3f, "m3/h", -6, ""], [0x40, 0x47, "m3/min", -7, ""], [0x48, 0x4f, "m3/s", -9, ""], [0x50, 0x57, "kg/h", -3, ""],
  [0x58, 0x5b, "°C", -3, ""], [0x5c, 0x5f, "°C", -3, ""], [0x60, 0x63, "K", -3, ""], [0x64, 0x67, "°C", -3, ""], [0x68, 0x6b, "bar", -3, ""],
  [0x70, 0x70, "s", 0, ""], [0x71, 0x71, "min", 0, ""], [0x72, 0x72, "h", 0, ""], [0x73, 0x73, "d", 0, ""],
  [0x74, 0x74, "s", 0, ""], [0x75, 0x75, "min", 0, ""], [0x76, 0x76, "h", 0, ""], [0x77, 0x77, "d", 0, ""],
];
const afterFb: readonly Row[] = [[0x00, 0x01, "MWh", -1, "energy"], [0x08, 0x09, "GJ", -1, "energy"], [0x10, 0x11, "m3", 2, "volume"], [0x18, 0x19, "t", 2, ""], [0x28, 0x29, "MW", -1, ""]];
const afterFd: readonly Row[] = [[0x40, 0x4f, "V", -9, ""], [0x50, 0x5f, "A", -12, ""]];

/** What the VIB in `b[from, end)` means. */
export function quantityOf(b: Uint8Array, from: number, end: number): Quantity {
  const vif = b[from]!;
  // 7C: the unit is a text, its length first and its last letter first.
  if ((vif & 0x7f) === 0x7c) return multiplied({ unit: backwards(b, from + 2, b[from + 1]!), scaler: 0, is: "" }, b, from + 2 + b[from + 1]!, end);
  if (vif === 0xfb || vif === 0xfd) return multiplied(found(vif === 0xfb ? afterFb : afterFd, b[from + 1]! & 0x7f), b, from + 2, end);
  return multiplied(found(plain, vif & 0x7f), b, from + 1, end);
}

function found(rows: readonly Row[], code: number): Quantity {
  for (const row of rows) if (code >= row[0] && code <= row[1]) return { unit: row[2], scaler: row[3] + code - row[0], is: row[4] };
  return { unit: "", scaler: 0, is: "" };
}

/** VIFE 70 to 77 multiply by 10^(n-6), 7D by a thousand; any other says something else about the value, which is then no plain register. */
function multiplied(q: Quantity, b: Uint8Array, from: number, end: number): Quantity {
  let scaler = q.scaler;
  let is = q.is;
  for (let at = from; at < end; at++) {
    const vife = b[at]! & 0x7f;
    if (vife >= 0x70 && vife <= 0x77) scaler += vife - 0x76;
    else if (vife === 0x7d) scaler += 3;
    else is = "";
  }
  return { unit: q.unit, scaler: scaler, is: is };
}

function backwards(b: Uint8Array, from: number, length: number): string {
  let text = "";
  for (let i = length - 1; i >= 0; i--) text += String.fromCharCode(b[from + i]!);
  return text;
}
