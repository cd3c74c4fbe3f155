export type { ConnectionState, Statistics } from "./connection.js";
export { CallerError, ClosedError, GatewayError, NetworkError, OutpourError, PeerError, type Fault } from "./errors.js";
export type {
  ConnectOptions,
  Credentials,
  CredentialsProvider,
  FetchOptions,
  HistoryStart,
  PublishOptions,
  SharedWorkerSource,
  SubscribeOptions,
  TopicProperties,
  WebSocketConstructor,
  WhenFull,
} from "./options.js";
export type { FetchedItem, MissedEvents, Replica, Resumption } from "./records.js";
export type { Acknowledgement, UpdateStream } from "./publishing.js";
export type { Fetched } from "./fetching.js";
export { Session } from "./session.js";
export type { Store } from "./store.js";
export { Subscription } from "./subscription.js";
export { Update, type UpdateKind } from "./updates.js";
export { Value, type ValueType } from "./values.js";
