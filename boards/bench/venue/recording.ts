/**
 * The meter of the venue's story: one telegram as an Iskraemeco AM550 sent it on its P1 port (from node-dsmr-parser, ISC), played
 * by the emulator; later ones are the same with its registers moved on, under a check sum of their own.
 */
import { crc16 } from "../../../protocol/link/crc16.js";

const telegram = [
  "/ISK5\\2M550T-1011",
  "",
  "1-3:0.2.8(50)",
  "0-0:1.0.0(181106140429W)",
  "0-0:96.1.1(4530303334303036383130353136343136)",
  "1-0:1.8.1(003808.351*kWh)",
  "1-0:1.8.2(002948.827*kWh)",
  "1-0:2.8.1(001285.951*kWh)",
  "1-0:2.8.2(002876.514*kWh)",
  "0-0:96.14.0(0002)",
  "1-0:1.7.0(00.000*kW)",
  "1-0:2.7.0(00.498*kW)",
  "0-0:96.7.21(00006)",
  "0-0:96.7.9(00003)",
  "1-0:99.97.0(1)(0-0:96.7.19)(180529135630S)(0000002451*s)",
  "1-0:32.32.0(00003)",
  "1-0:52.32.0(00002)",
  "1-0:72.32.0(00002)",
  "1-0:32.36.0(00001)",
  "1-0:52.36.0(00001)",
  "1-0:72.36.0(00001)",
  "0-0:96.13.0()",
  "1-0:32.7.0(236.0*V)",
  "1-0:52.7.0(232.6*V)",
  "1-0:72.7.0(235.1*V)",
  "1-0:31.7.0(002*A)",
  "1-0:51.7.0(000*A)",
  "1-0:71.7.0(000*A)",
  "1-0:21.7.0(00.000*kW)",
  "1-0:41.7.0(00.033*kW)",
  "1-0:61.7.0(00.132*kW)",
  "1-0:22.7.0(00.676*kW)",
  "1-0:42.7.0(00.000*kW)",
  "1-0:62.7.0(00.000*kW)",
  "0-1:24.1.0(003)",
  "0-1:96.1.0(4730303339303031373030343630313137)",
  "0-1:24.2.1(181106140010W)(01569.646*m3)",
];

/** The telegram with so many watt hours more on tariff 1 and 2. */
export function meterAfter(first: number, second: number): Uint8Array {
  const moved = telegram.map((line) => line.replace(/^(1-0:1\.8\.([12])\()(\d{6})\.(\d{3})/, (_all, head: string, rate: string, whole: string, part: string) => {
    const digits = String(Number(whole + part) + (rate === "1" ? first : second)).padStart(9, "0");
    return `${head}${digits.slice(0, 6)}.${digits.slice(6)}`;
  }));
  const text = Buffer.from(moved.join("\r\n") + "\r\n!", "latin1");
  return new Uint8Array(Buffer.concat([text, Buffer.from(crc16(new Uint8Array(text)).toString(16).toUpperCase().padStart(4, "0") + "\r\n", "latin1")]));
}
