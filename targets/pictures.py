import struct, sys
from pathlib import Path
def bmp(path, size, pixel):
    rows = b"".join(bytes(c for x in range(size) for c in pixel(x, y)) for y in range(size))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, size, size, 1, 24, 0, len(rows), 0, 0, 0, 0) + rows)
for i in range(12):
    r=7*i
    def stripes(x,y): v=200 if (x+r)//8%2 else 40; return (v,90,(x*3+r)%256)
    def rings(x,y): v=220 if ((x-24-i%3)**2+(y-24+i%5)**2)//60%2 else 30; return (60,v,(y*2+r)%256)
    def checks(x,y): v=180 if ((x+r)//6+(y+i)//6)%2 else 20; return (v,v,100)
    for n,f in (("stripes",stripes),("rings",rings),("checks",checks)):
        bmp(Path(sys.argv[1])/("shown" if i<8 else "asked")/n/f"{i}.bmp",48,f)
