/** A change to a topic, as the module numbers them. @internal */
export const enum Change {
  set = 0,
  append = 1,
  stream = 2,
  jsonPatch = 3,
  mergePatch = 4,
  remove = 5,
}

/** A hint of the platform, as the module numbers them. @internal */
export const enum Hint {
  networkUp = 0,
  networkDown = 1,
  resumed = 2,
  suspending = 3,
}

/** The codes that there is need of before the module is there. @internal */
export const enum Codes {
  closed = 4000,
  badValue = 4102,
  queueFull = 4112,
  badOptions = 4113,
  badEndpoint = 4114,
  moduleFailed = 4119,
  connectionLost = 4301,
  internal = 4404,
}
