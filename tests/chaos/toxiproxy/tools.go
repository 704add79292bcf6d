// Names the one program that go.mod and go.sum pin here: the proxy that the chaos suite builds.

//go:build tools

package toxiproxy

import _ "github.com/Shopify/toxiproxy/v2/cmd/server"
