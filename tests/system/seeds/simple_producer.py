import time

from pika import BlockingConnection, ConnectionParameters # Импортируем необходимые классы из библиотеки pika для работы с RabbitMQ

  

# Настройка подключения к RabbitMQ

connection = BlockingConnection(ConnectionParameters('localhost')) # Создаем подключение к локальному экземпляру RabbitMQ
channel = connection.channel() # Создаем канал для взаимодействия с RabbitMQ

  

# Создаём очередь (если очередь с таким именем еще не существует, она будет создана)
channel.queue_declare(queue='test_queue')

  


for i in range(1000):
	# Отправляем сообщение в указанную очередь
	
	channel.basic_publish(
		exchange='', # Указываем, что сообщение не будет использовать обменник (по умолчанию используется пустой строкой)
		
		routing_key='test_queue', # Указываем имя очереди, в которую отправляем сообщение
		
		body=f'Hello RabbitMQ {i}' # Содержимое сообщения, добавляем счетчик для уникальности каждого сообщения
	)
	
	print('Сообщение отправлено!') 	
	time.sleep(1)

  

# Закрываем соединение с RabbitMQ
connection.close() # Закрываем соединение после отправки всех сообщений
