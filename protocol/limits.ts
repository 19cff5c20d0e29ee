/**
 * Every maximum and every wait that the protocol has, each with its reason. Nothing in the core is without a bound.
 */
export const limits = {
  /** A message on a local link: a card at an unknown terminal needs 956 bytes, a page of reserve. */
  messageBytesMax: 2048,
  /** Bytes waiting on one end of a serial line, each way: more is a line that nobody reads. */
  lineBytesMax: 65536,
  /** Terminal waits for a presentation: a phone with a slow key store signs in under one second. */
  presentationWithinMs: 5000,
  /** Terminal waits for the acknowledgement; handset waits for answer and outcome. */
  acknowledgementWithinMs: 2000,
  answerWithinMs: 2000,
  /** How long the owner of a receipt is waited for when another terminal is to finish it (decision 5). */
  handoverWithinMs: 1500,
  /** How long an opened gate waits for the passage sensor: a person with luggage. */
  passageMs: 8000,
  /** Tap numbers reserved durably ahead of use: one write for so many taps (a power cut skips them). */
  tapNumbersAhead: 1000,
  /** Receipts sent and not yet acknowledged that a terminal remembers; the newest replaces the oldest. */
  pendingMax: 64,
  /** Finished uses after which `closed` moves, so that lost receipts do not stay open for ever. */
  usesUntilClosed: 256,
  /** `until` of a receipt, seconds: default and most (`tap.md` §4). */
  resumeSeconds: 600,
  resumeSecondsMax: 86400,
  /** Use notices kept; a full table refuses new uses instead of forgetting (`tap.md` §5). */
  noticesMax: 100000,
  /** Encrypted messages in one direction of a tap. */
  messagesPerDirectionMax: 8,
  /** A value's claims, so that the one-way code stays under 420 characters. */
  valueClaimsBytesMax: 400,
  /** Most money for one use in profile B, minor units: a stolen board's keys forge grants until the epoch ends (`trust.md` §9). */
  grantUseMost: 500,
  zonesMax: 16,
  /** Items of a list in a configuration or a sync message. */
  listItemsMax: 4096,
  /** An envelope at the host's door, and one to a handset. */
  envelopeBytesMax: 65536,
  envelopeToHandsetBytesMax: 16384,
  /** Letters that one courier, or one memory card, carries (`trust.md` §5), and for how long. */
  carriedLettersMax: 64,
  carriedBytesMax: 1048576,
  carriedSeconds: 30 * 86400,
  /** An order: parcels, lines of one, pieces of one line, shops a parcel is pushed ahead to. A family's evening, not a wholesaler's. */
  parcelsMax: 16,
  linesMax: 16,
  lineCountMax: 20,
  shopsMax: 8,
  /** Bills in one letter; items of mail in one letter. Both fit a handset's 16 KiB with some room for attachments. */
  billsMax: 16,
  mailMax: 32,
  /** What a terminal seals for a handset, or leaves as its offer: a coupon, a map, a picture of a few lines. */
  attachmentBytesMax: 2048,
  /** Spare keys that the host may hold for one handset, so that a value can be certified to it while it is away. */
  spareKeysMax: 8,
  /** A letter to or from a small board, and what its body holds: news and pieces of a status list are cut to fit (`trust.md` §5). */
  envelopeToBoardBytesMax: 512,
  boardBodyBytesMax: 400,
  /** Letters of others that a terminal with a network has in hand, and answers that it keeps for them. */
  passedLettersMax: 16,
  /** Journal entries in one batch: about 200 finished records fill an envelope. */
  batchEntriesMax: 200,
  /** A signed status list as it travels, and its bits unpacked (four values a byte): a million values with one in a hundred set need 15 KB. */
  statusListBytesMax: 1048576,
  kindsMax: 16,
  /** Clauses of one rule. */
  clausesMax: 12,
  /** A value of so many uses is a pass: its uses are not worth counting. */
  passUses: 1000000,
  /** Clocks of good faith differ by so much: a certificate is not begun only before that. */
  clockSlackSeconds: 300,
  /** Beacon step, seconds, and the steps on each side of the terminal's clock that are accepted. */
  beaconStepSeconds: 15,
  beaconStepsAround: 1,
  /** A meter's telegram of characters: 15 months of history of a two-way meter are 9.5 KB; P1's text message alone may be 2 KB. */
  telegramBytesMax: 16384,
  /** Registers that are billed at one meter: import and export, four tariffs each. Users of one meter. */
  registersMax: 8,
  meterUsersMax: 32,
  /** Records in one statement: a month of daily ones, and what a letter holds. */
  statementRecordsMax: 120,
  /** Readings of one readout: 405 in those 15 months. */
  readingsMax: 1024,
  /** An SML frame: 460 bytes are usual, 1 KB with every register of three phases. Its items: a list of 60 entries has 500. */
  smlBytesMax: 4096,
  smlItemsMax: 2048,
  /** A DLMS message of several HDLC or M-Bus frames: 690 bytes are met, a list of 60 objects with units needs 2 KB. */
  dlmsBytesMax: 4096,
  /** Broken readouts kept while the dialect of a stream is not yet known. */
  brokenReadoutsMax: 8,
  /** Two readouts so close together bear each other out: one at 300 baud takes half a minute, P1 of version 2 comes every ten seconds. */
  agreeWithinMs: 60000,
} as const;
