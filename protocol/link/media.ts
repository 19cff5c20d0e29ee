/**
 * What differs between the media of a local link, each number with its reason. Waits are counted by the link machine's
 * caller; nothing here reads a clock.
 */
import { cobs, type Wrapping } from "./frame.js";
import { sir } from "./sir.js";

export interface Medium {
  readonly name: string;
  readonly wrapping: Wrapping;
  /** Payload of one frame. */
  readonly fragmentBytes: number;
  /** Bytes in one write to the device; a longer frame is cut, as on a byte stream. */
  readonly writeBytes: number;
  /** Silence before answering, so that the peer's receiver has recovered from its own light. */
  readonly turnaroundMs: number;
  readonly extraBegins: number;
  /** Send again after so long without an ack: longer than a phone needs to sign, so that a good tap has no ack frame. */
  readonly retransmitMs: number;
  readonly triesMax: number;
}

/** Any message fits one frame; 1,024 stays under the driver's 4 KiB buffer. */
export const serial: Medium = { name: "serial", wrapping: cobs, fragmentBytes: 1024, writeBytes: 1024, turnaroundMs: 0, extraBegins: 0, retransmitMs: 450, triesMax: 4 };
/** Nordic UART: 20 bytes in a notification unless a longer one was agreed. */
export const ble: Medium = { name: "ble", wrapping: cobs, fragmentBytes: 1024, writeBytes: 20, turnaroundMs: 0, extraBegins: 0, retransmitMs: 600, triesMax: 4 };
/** IrDA SIR at 9,600 baud and up: 256 bytes keep a turn under 500 ms; 10 ms minimum turnaround (IrLAP). */
export const infrared: Medium = { name: "infrared", wrapping: sir, fragmentBytes: 256, writeBytes: 1024, turnaroundMs: 10, extraBegins: 10, retransmitMs: 700, triesMax: 4 };

export const media = { serial: serial, ble: ble, infrared: infrared } as const satisfies Record<string, Medium>;
