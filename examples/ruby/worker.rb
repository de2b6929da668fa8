# A complete Baton worker in Ruby with bunny. Bunny performs handlers on a thread of its own and answers
# the broker on another one.
#
#     apt-get install ruby-bunny     (or: gem install bunny)
#     BATON_AMQP=amqp://guest:guest@127.0.0.1:5672/ ruby worker.rb
require "bunny"
require "json"
require "socket"

$stdout.sync = true

class Invalid < StandardError; end # the caller's fault: the same parameters fail again

# Your code: parameters in, result out. It looks by baton-idempotency-key whether the work is done.
GREET = lambda do |parameters, headers|
  name = parameters.fetch("name") { raise Invalid, "'name' is missing" }
  sleep(parameters.fetch("seconds", 0))
  { text: "Hello, #{name}", run: headers["baton-run"], key: headers["baton-idempotency-key"] }
end

TASKS = { ENV.fetch("BATON_TASK", "hello.greet") => GREET }
ME = { worker: "ruby@#{Socket.gethostname}:#{Process.pid}" }

# Bunny would throw a lost connection into whatever this thread does just now; consume() looks for itself.
NOTED = Object.new.tap { |noted| def noted.raise(*) = nil }

# Publishes on a channel of its own, which belongs to one thread. Returns once the broker has it.
class Reports
  def initialize(connection)
    @channel = connection.create_channel
    @channel.confirm_select
    @lock = Mutex.new
  end

  def say(task, kind, content)
    return unless task.reply_to
    @lock.synchronize do
      @channel.default_exchange.publish(JSON.generate(content), routing_key: task.reply_to, type: kind,
        correlation_id: task.correlation_id, content_type: "application/json", persistent: true)
      raise "the broker did not take the report" unless @channel.wait_for_confirms
    end
  end
end

def perform(handler, task, body)
  ["completed", handler.call(JSON.parse(body.empty? ? "{}" : body), task.headers || {})]
rescue Invalid => wrong
  ["failed", { type: "invalid_input", detail: wrong.message, retryable: false }]
rescue StandardError => error
  ["failed", { type: error.class.name, detail: error.message }]
end

def on_task(handler, channel, reports, delivery, task, body)
  headers = task.headers || {}
  heartbeat = headers["baton-heartbeat"]
  reports.say(task, "started", ME) if headers["baton-run"]
  beat = heartbeat && Thread.new do
    loop do
      sleep(heartbeat / 3000.0)
      reports.say(task, "heartbeat", {})
    end
  end
  kind, content = perform(handler, task, body)
  beat&.kill&.join
  reports.say(task, kind, content)
  channel.ack(delivery.delivery_tag) # only now: a crash before gives the task again
end

def consume
  connection = Bunny.new(ENV.fetch("BATON_AMQP").sub(%r{/(?=\?|\z)}, "/%2F"), automatically_recover: false, threaded: true,
                         session_error_handler: NOTED, log_level: :fatal)
  connection.start
  reports = Reports.new(connection)
  channel = connection.create_channel(nil, 4) # handlers at once
  channel.prefetch(8)
  TASKS.each do |name, handler|
    queue = channel.queue("baton.task.#{name}", passive: true) # deploying a workflow makes it
    queue.subscribe(manual_ack: true) do |delivery, task, body|
      on_task(handler, channel, reports, delivery, task, body)
    rescue StandardError => lost
      puts "the task comes again: #{lost.message}"
      connection.close if connection.open?
    end
  end
  puts "ready"
  sleep 0.2 while connection.open?
ensure
  begin
    connection&.close if connection&.open?
  rescue StandardError
    nil # it is gone already
  end
end

loop do
  begin
    consume
    puts "connecting again"
  rescue Bunny::NotFound => missing
    puts "waiting: #{missing.message}"
  rescue StandardError => lost
    puts "connecting again: #{lost.message}"
  end
  sleep 1
end
