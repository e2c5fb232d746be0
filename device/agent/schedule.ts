/**
 * When a device that runs by itself speaks up, as pure functions of chance (`random`: [0, 1)). docs/agent.md says what these do to a service.
 */

/** After a start of the machine the first round falls evenly into this long. */
const returnSeconds = 300;
/** Polls drift apart by so much of their interval, either way. */
const pollJitter = 1 / 20;
/** The pause after the first error; each further one doubles it. */
const firstRetrySeconds = 60;
const longestRetrySeconds = 3_600;
const secondsPerDay = 86_400;
/** Devices that were certified on one day renew over this share of their interval. */
const renewalSpread = 1 / 10;

/**
 * The wait before the first round after the machine started: U · min(300, poll). Machines that a power cut stopped start together; evenly
 * spread they come back at a constant rate.
 */
export function returnDelay(pollSeconds: number, random: () => number): number {
  return random() * Math.min(returnSeconds, pollSeconds);
}

/**
 * The wait from one round that went well to the next: poll · (1 ± 1/20).
 * @param isFirst the first round since the machine started: U · poll, so that who came back together is spread over the whole interval again
 */
export function pollDelay(pollSeconds: number, isFirst: boolean, random: () => number): number {
  return isFirst ? random() * pollSeconds : pollSeconds * (1 + (2 * random() - 1) * pollJitter);
}

/**
 * The wait after an error: a minute, and twice as long after each further one, up to the poll interval or an hour; times 0.75 to 1.25.
 * @param failures how many there were in a row, this one included
 */
export function retryDelay(failures: number, pollSeconds: number, random: () => number): number {
  const longest = Math.min(longestRetrySeconds, pollSeconds);
  return Math.min(longest, firstRetrySeconds * 2 ** (failures - 1)) * (0.75 + random() / 2);
}

/**
 * When keys are to be renewed, Unix seconds: their age is between 90 % and 100 % of `days`. Which, each certificate says for itself, so that a
 * restart changes nothing.
 * @param certified when the certificate was made, Unix seconds
 * @param share [0, 1), always the same for one certificate
 */
export function renewalTime(certified: number, days: number, share: number): number {
  return certified + days * secondsPerDay * (1 - renewalSpread * (1 - share));
}
