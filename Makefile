.PHONY: build test
build:
	swift build -c release --explicit-target-dependency-import-check error
test:
	swift build
