module riposte.local/sdk

go 1.24
