import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import {
  type PublishedEvent,
  publishedEventSchema,
  readingsDetailSchema,
  readingsEventType,
} from "@sealpost/protocol/operator/events.ts";
import { type Command, Option } from "commander";
import * as z from "zod/mini";

import { detailText } from "../audit-rows.ts";
import { awsFault, clientConfiguration } from "../aws-access.ts";
import { isoTime } from "../duration.ts";
import { OperatorFault } from "../fault.ts";
import { examples } from "../help.ts";
import { durationOption, fitting, idOption } from "../options.ts";
import { plainJson } from "../plain-json.ts";
import { openSession } from "../session.ts";
import { addRepublishCommands } from "./republish.ts";
import { wholeDeviceId } from "../short-ids.ts";
import type { Stack } from "../stack.ts";

type TailOptions = { readonly type?: string; readonly device?: string; readonly for?: number };

/** One wait for what comes. A local stack waits it out also when nobody does any more. */
const waitSeconds = 2;
/** What a command took that was killed before it could show it comes again after that. */
const hiddenSeconds = 10;
const longest = 160;

export function addEventsCommands(program: Command): void {
  const events = program.command("events").description("what happens and what devices measure, as it is published");
  events
    .command("tail")
    .description(
      "show what a local stack published in the last hour, and publishes, until Ctrl-C; what was read is gone: two at once share what comes",
    )
    .addOption(
      new Option("--type <type>", "of one type alone: readings, device.registered, …").argParser(
        fitting(z.string().check(z.regex(/^[a-z][a-z.-]{0,63}$/)), "It is a type of docs/events.md, as readings."),
      ),
    )
    .addOption(new Option("--device <device id>", "of one device alone").argParser(idOption))
    .addOption(new Option("--for <duration>", "end after that time: 30s, 15m, 12h").argParser(durationOption))
    .addHelpText(
      "after",
      examples("events tail", "events tail --type readings --json", "events tail --device 0b7c --for 30s"),
    )
    .action(tail);
  addRepublishCommands(events);
}

async function tail(options: TailOptions, command: Command): Promise<void> {
  const { stack, service, output } = openSession(command);
  const queueUrl = stack.outputs.EventsTailQueueUrl;
  if (queueUrl === undefined) {
    throw new OperatorFault(
      "not-set-up",
      "This stack has no queue for this command to read; a local stack has one, where no other target of events was given.",
      "subscribe to the target itself: a rule on the bus of the stack output EventBusName, for example (docs/events.md); or start a local stack with `npm run up`",
    );
  }
  const deviceId = options.device === undefined ? undefined : await wholeDeviceId(service, options.device);
  const isWanted = (event: PublishedEvent) =>
    (options.type === undefined || event.type === options.type) &&
    (deviceId === undefined || event.deviceId === deviceId);
  const until = options.for === undefined ? Infinity : Date.now() + options.for * 1_000;

  const ended = new AbortController();
  const end = () => ended.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  const queue = openQueue(stack, queueUrl, ended.signal);
  try {
    while (!ended.signal.aborted && Date.now() < until) {
      const received = await queue.receive(Math.min(waitSeconds, Math.ceil((until - Date.now()) / 1_000)));
      for (const { event } of received) {
        if (event === undefined) output.note("A message was no event of this service; it is passed over.");
        else if (isWanted(event)) await output.line(event, lineOf(event));
      }
      await queue.remove(received.map(({ handle }) => handle));
    }
  } finally {
    process.removeListener("SIGINT", end).removeListener("SIGTERM", end);
    queue.close();
  }
}

type Received = { readonly handle: string; readonly event: PublishedEvent | undefined };

/** The tail's queue: nothing comes once `signal` is aborted. */
function openQueue(stack: Stack, QueueUrl: string, signal: AbortSignal) {
  const client = new SQSClient(clientConfiguration(stack.access));
  const fault = (error: unknown, doing: string) => awsFault(error, doing, "ReadingPolicyArn", stack);
  return {
    async receive(WaitTimeSeconds: number): Promise<Received[]> {
      try {
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: 10,
            WaitTimeSeconds,
            VisibilityTimeout: hiddenSeconds,
          }),
          { abortSignal: signal },
        );
        return Messages.map(({ ReceiptHandle = "", Body = "" }) => ({ handle: ReceiptHandle, event: eventOf(Body) }));
      } catch (error) {
        if (signal.aborted) return [];
        throw fault(error, "read the queue of events");
      }
    },
    async remove(handles: readonly string[]): Promise<void> {
      if (handles.length === 0) return;
      const Entries = handles.map((ReceiptHandle, at) => ({ Id: String(at), ReceiptHandle }));
      await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries })).catch((error: unknown) => {
        throw fault(error, "take events from their queue");
      });
    },
    close: () => client.destroy(),
  };
}

/** As a rule of EventBridge delivers it. */
const deliveredSchema = z.object({ detail: publishedEventSchema });

function eventOf(body: string): PublishedEvent | undefined {
  try {
    return deliveredSchema.safeParse(JSON.parse(body)).data?.detail;
  } catch {
    return undefined;
  }
}

/** `TIME  TYPE  TARGET  DETAIL` */
function lineOf(event: PublishedEvent): string {
  return [isoTime(event.time), event.type, event.target, detailOf(event)].join("  ");
}

function detailOf({ type, detail }: PublishedEvent): string {
  const readings = type === readingsEventType ? readingsDetailSchema.safeParse(detail).data : undefined;
  if (!readings) return detailText(detail, (id) => id);
  const { stream, records } = readings;
  const text = `${stream}  ${records.length === 1 ? "1 record" : `${records.length} records`}  ${plainJson(records)}`;
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}
