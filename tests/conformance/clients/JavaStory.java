// The story with RabbitMQ's client for Java.
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

public class JavaStory {
    static final String Q = "story.java";

    interface Action {
        void on(Channel channel) throws IOException;
    }

    static int refused(Connection connection, Action action) throws IOException {
        try {
            action.on(connection.createChannel());
        } catch (IOException error) {
            ShutdownSignalException signal = (ShutdownSignalException) error.getCause();
            return ((AMQP.Channel.Close) signal.getReason()).getReplyCode();
        }
        return 0;
    }

    static class Delivery {
        Envelope envelope;
        AMQP.BasicProperties properties;
        String body;
    }

    static BlockingQueue<Delivery> consume(Channel channel, String queue, String tag, boolean autoAck) throws IOException {
        BlockingQueue<Delivery> deliveries = new ArrayBlockingQueue<>(100);
        channel.basicConsume(queue, autoAck, tag, new DefaultConsumer(channel) {
            @Override
            public void handleDelivery(String consumerTag, Envelope envelope, AMQP.BasicProperties properties, byte[] body) {
                Delivery delivery = new Delivery();
                delivery.envelope = envelope;
                delivery.properties = properties;
                delivery.body = new String(body);
                deliveries.add(delivery);
            }
        });
        return deliveries;
    }

    static Delivery next(BlockingQueue<Delivery> deliveries) throws Exception {
        Delivery delivery = deliveries.poll(10, TimeUnit.SECONDS);
        if (delivery == null) throw new Exception("no delivery");
        return delivery;
    }

    public static void main(String[] arguments) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(System.getenv("AMQP_HOST"));
        factory.setPort(Integer.parseInt(System.getenv("AMQP_PORT")));
        Connection connection = factory.newConnection();
        Channel channel = connection.createChannel();
        channel.queueDelete(Q);
        channel.queueDeclare(Q, true, false, false, null);
        System.out.println("declared");
        channel.confirmSelect();
        for (int i = 0; i < 10; i++)
            channel.basicPublish("", Q, MessageProperties.PERSISTENT_TEXT_PLAIN, Integer.toString(i).getBytes());
        channel.waitForConfirmsOrDie(10000);
        System.out.println("confirmed 10");
        GetResponse got = channel.basicGet(Q, true);
        System.out.println("got " + new String(got.getBody()) + " left " + got.getMessageCount());
        channel.basicQos(1);
        BlockingQueue<Delivery> deliveries = consume(channel, Q, "c", false);
        Delivery delivery = next(deliveries);
        System.out.println("first delivery " + delivery.body + " redelivered " + delivery.envelope.isRedeliver());
        channel.basicNack(delivery.envelope.getDeliveryTag(), false, true);
        delivery = next(deliveries);
        System.out.println("second delivery " + delivery.body + " redelivered " + delivery.envelope.isRedeliver());
        channel.basicCancel("c");
        channel.basicAck(delivery.envelope.getDeliveryTag(), false);

        Channel server = connection.createChannel();
        String calls = server.queueDeclare().getQueue();
        BlockingQueue<Delivery> asked = consume(server, calls, "", true);
        Channel client = connection.createChannel();
        BlockingQueue<Delivery> replies = consume(client, "amq.rabbitmq.reply-to", "", true);
        client.basicPublish("", calls, new AMQP.BasicProperties.Builder().replyTo("amq.rabbitmq.reply-to").build(), "question".getBytes());
        Delivery call = next(asked);
        server.basicPublish("", call.properties.getReplyTo(), null, ("answer to " + call.body).getBytes());
        System.out.println("rpc: " + next(replies).body);

        System.out.println("missing queue: " + refused(connection, c -> c.queueDeclarePassive("story.nothing")));
        Map<String, Object> other = Map.of("x-max-length", 5);
        System.out.println("other arguments: " + refused(connection, c -> c.queueDeclare(Q, true, false, false, other)));
        BlockingQueue<Integer> returned = new ArrayBlockingQueue<>(10);
        channel.addReturnListener((code, text, exchange, key, properties, body) -> returned.add(code));
        channel.basicPublish("", "story.nothing", true, null, "x".getBytes());
        System.out.println("returned: " + returned.poll(10, TimeUnit.SECONDS));
        connection.close();

        connection = factory.newConnection();
        channel = connection.createChannel();
        System.out.println("after an error and a new connection: " + channel.queueDeclarePassive(Q).getMessageCount());
        System.out.println("deleted " + channel.queueDelete(Q).getMessageCount());
        connection.close();
    }
}
