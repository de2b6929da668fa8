// What RabbitMQ's API tells of the broker's things, as far as the page shows it.
import type { Stats } from "../chart";

export interface Queue {
  name: string; vhost: string; type: string; durable: boolean; auto_delete: boolean; exclusive: boolean; arguments: Record<string, unknown>; state: string;
  messages?: number; messages_ready?: number; messages_unacknowledged?: number; message_bytes?: number; consumers?: number; policy?: string | null; operator_policy?: string | null;
  effective_policy_definition?: Record<string, unknown>; idle_since?: string; owner_pid_details?: { name: string }; message_stats?: Stats; consumer_details?: Consumer[]; single_active_consumer_tag?: string | null;
}
export interface Exchange {
  name: string; vhost: string; type: string; durable: boolean; auto_delete: boolean; internal: boolean; arguments: Record<string, unknown>; policy?: string | null; message_stats?: Stats;
}
export interface Binding {
  source: string; vhost: string; destination: string; destination_type: "queue" | "exchange"; routing_key: string; arguments: Record<string, unknown>; properties_key: string;
}
export interface Consumer {
  consumer_tag: string; queue: { name: string; vhost: string }; ack_required: boolean; exclusive: boolean; active: boolean; prefetch_count: number; channel_details: { name: string; connection_name: string };
}
export interface Connection {
  name: string; user: string; vhost: string; state: string; protocol: string; ssl: boolean; channels: number; connected_at: number; peer_host: string; peer_port: number; timeout: number; frame_max: number; channel_max: number;
  auth_mechanism: string; user_provided_name?: string; client_properties: Record<string, unknown>; recv_oct?: number; send_oct?: number; recv_oct_details?: { rate: number }; send_oct_details?: { rate: number };
}
export interface Channel {
  name: string; number: number; user: string; vhost: string; state: string; confirm: boolean; transactional: boolean; consumer_count: number; messages_unacknowledged: number; messages_unconfirmed: number; prefetch_count: number;
  global_prefetch_count: number; connection_details: { name: string }; message_stats?: Stats; consumer_details?: Consumer[];
}
export interface Vhost { name: string; description?: string; tags?: string[] }
