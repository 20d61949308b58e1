"""Controls from elsewhere: a page in the browser, HTTP and WebSocket, which set what the table of controls has."""
