// The analyser of GoogleSQL, in a module of its own so that its engine, which
// takes minutes and gigabytes to compile, stays out of the product's build. See
// docs/dependencies.md.
module github.com/sallyport-dev/sallyport/cmd/sallyport-bqanalyzer

go 1.26.0

toolchain go1.26.11

replace github.com/sallyport-dev/sallyport => ../..

require (
	github.com/goccy/go-googlesql v0.4.0
	github.com/sallyport-dev/sallyport v0.0.0-00010101000000-000000000000
)

require github.com/goccy/googlesqlwasm2go v0.2.0 // indirect
