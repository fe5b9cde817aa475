# Sends one frame again and again on a device until it comes out of another; prints how many were needed.
# pass-frame.py FROM TO SECONDS
import select, socket, sys, time

ETH_P_ALL = 3
there, back, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind((there, 0))
receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
receiver.bind((back, ETH_P_ALL))
# To nobody's address, of a type nobody speaks.
frame = bytes.fromhex('02000000000a' '02000000000b' '88b6') + b'wocloud gateway test'.ljust(46, b'.')
end = time.monotonic() + seconds
sent = 0
while time.monotonic() < end:
    sender.send(frame)
    sent += 1
    until = time.monotonic() + 0.1
    while select.select([receiver], [], [], max(0, until - time.monotonic()))[0]:
        got, address = receiver.recvfrom(2048)
        if got == frame and address[2] != socket.PACKET_OUTGOING:
            print(sent)
            sys.exit(0)
sys.exit(f'{sent} frames sent on {there}, none came out of {back}')
