from pika import BlockingConnection, ConnectionParameters



# Настройка подключения к RabbitMQ
connection = BlockingConnection(ConnectionParameters('localhost')) # Создаем подключение к локальному экземпляру RabbitMQ
channel = connection.channel() # Создаем канал для взаимодействия с RabbitMQ


# Создаём очередь (если очередь с таким именем еще не существует, она будет создана)
channel.queue_declare(queue='test_queue') # Объявляем очередь с именем 'test_queue'

  

# Функция для обработки полученных сообщений
def callback(ch, method, properties, body):
	print(f'Получено сообщение: {body.decode()}')

  

# Настраиваем получение сообщений из очереди

channel.basic_consume(
	queue='test_queue', # Указываем очередь, из которой получаем сообщения,
	on_message_callback=callback, # Указываем функцию для обработки сообщений
	auto_ack=True # Автоматически подтверждаем получение сообщения из очереди
)

print("Ожидание сообщений")

channel.start_consuming() # Начинаем получать сообщения
