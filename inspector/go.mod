module github.com/payack/payack/inspector

go 1.26.0

require (
	github.com/go-json-experiment/json v0.0.0-20260820222146-c27c302e5fc3
	github.com/payack/payack v0.1.0
	github.com/payack/payack/inbox v0.1.0
	github.com/stretchr/testify v1.12.1
)
