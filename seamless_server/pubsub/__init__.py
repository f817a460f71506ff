"""Socket.IO events, rooms, members and the REST interface beside them."""
