package middleware

// PooledRoom returns the room that the next body is read into.
func PooledRoom() []byte {
	room := bodies.Get().(*[]byte)
	defer bodies.Put(room)
	return (*room)[:cap(*room)]
}

// Contracts is the registry of the providers' answers.
var Contracts = contracts
