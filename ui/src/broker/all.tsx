// The pages of the broker: what RabbitMQ's users look for, under the names that they know.
export { Broker } from "./overview";
export { Queues, Queue } from "./queues";
export { Exchanges, Exchange } from "./exchanges";
export { Connections, Connection, Channels, Channel, Consumers } from "./connections";
