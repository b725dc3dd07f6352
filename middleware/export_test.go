package middleware

// PooledRoom takes a buffer for a body out of the pool.
func PooledRoom() []byte {
	room := bodies.Take()
	return (*room)[:cap(*room)]
}

// Contracts is the registry of the answers that the providers' contracts prescribe.
var Contracts = contracts
