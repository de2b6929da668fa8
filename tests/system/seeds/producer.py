from pika import ConnectionParameters, BlockingConnection  

# Настраиваем параметры подключения
connectiom_params = ConnectionParameters(
    host='localhost',  # Указываем адрес хоста RabbitMQ (в данном случае локальный сервер)
    port=5672  # Указываем порт, на котором запущен RabbitMQ (по умолчанию это 5672)
)


def main():
    # Используем контекстный менеджер для подключения к RabbitMQ и гарантированного закрытия соединения
    with BlockingConnection(parameters=connectiom_params) as conn:
        # Создаем канал для взаимодействия с RabbitMQ, также с использованием контекстного менеджера
        with conn.channel() as ch:
            # Объявляем очередь с именем 'messages' (создаем её, если не существует)
            ch.queue_declare(queue="messages")
            # Публикуем сообщение в указанную очередь
            ch.basic_publish(
                exchange="",  # Указываем обменник по умолчанию (пустая строка)
                routing_key="messages",  # Указываем имя очереди, в которую отправляем сообщение
                body="Hello RabbitMQ"  # Тело сообщения, которое будет отправлено в очередь
            )
            print("Message sent!")  # Выводим в консоль подтверждение отправки сообщения


if __name__ == '__main__':
    main()

