module {{ident}}

go 1.24

require riposte.local/sdk v0.0.0

replace riposte.local/sdk => ./riposte/sdk/go
