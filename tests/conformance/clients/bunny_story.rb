# The story with bunny.
require "bunny"

Q = "story.bunny"
$stdout.sync = true

def refused(connection)
  yield connection.create_channel
rescue Bunny::ChannelLevelException => error
  error.channel_close.reply_code
end

connection = Bunny.new(ENV["AMQP_URL"].chomp("/")).start
channel = connection.create_channel
channel.queue_delete(Q)
queue = channel.queue(Q, durable: true)
puts "declared"
channel.confirm_select
10.times { |i| queue.publish(i.to_s, persistent: true) }
raise "not confirmed" unless channel.wait_for_confirms
puts "confirmed 10"
_delivery, _properties, body = queue.pop
puts "got #{body} left #{queue.message_count}"
channel.prefetch(1)
seen = Queue.new
count = 0
consumer = queue.subscribe(manual_ack: true) do |info, _, message|
  count += 1
  puts "#{count == 1 ? 'first' : 'second'} delivery #{message} redelivered #{info.redelivered?}" if count <= 2
  if count == 1
    channel.nack(info.delivery_tag, false, true)
  elsif count == 2
    seen << info.delivery_tag
  end
end
tag = seen.pop
consumer.cancel
channel.ack(tag)
server = connection.create_channel
calls = server.queue("", exclusive: true)
calls.subscribe { |_, properties, message| server.default_exchange.publish("answer to " + message, routing_key: properties.reply_to) }
client = connection.create_channel
answers = Queue.new
client.basic_consume("amq.rabbitmq.reply-to", "", true) { |_, _, message| answers << message }
client.default_exchange.publish("question", routing_key: calls.name, reply_to: "amq.rabbitmq.reply-to")
puts "rpc: #{answers.pop}"
puts "missing queue: #{refused(connection) { |c| c.queue_declare('story.nothing', passive: true) }}"
puts "other arguments: #{refused(connection) { |c| c.queue_declare(Q, durable: true, arguments: { 'x-max-length' => 5 }) }}"
returned = Queue.new
exchange = channel.default_exchange
exchange.on_return { |info, _, _| returned << info.reply_code }
exchange.publish("x", routing_key: "story.nothing", mandatory: true)
puts "returned: #{returned.pop}"
connection.close
connection = Bunny.new(ENV["AMQP_URL"].chomp("/")).start
channel = connection.create_channel
puts "after an error and a new connection: #{channel.queue_declare(Q, passive: true).message_count}"
puts "deleted #{channel.queue_delete(Q).message_count}"
connection.close
