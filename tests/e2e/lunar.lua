-- SPDX-License-Identifier: Apache-2.0
-- Shows the engine a request's body, what of it fits into the proxy's buffer, and goes on without it after 5 s.
core.register_action("inspect", { "http-req" }, function(txn)
	local body = txn.f:req_body() or ""
	local declared = txn.f:req_hdr("content-length") or "0"
	local engine = core.tcp()
	engine:settimeout(5)
	if engine:connect("127.0.0.1", 8002) then
		engine:send(declared .. " " .. #body .. "\n")
		engine:receive("*l")
	end
	engine:close()
end)
